import type { Command } from 'commander';
import type { ReplayResult } from '../../shared/agent-protocol.ts';
import { PayflowError } from '../../shared/errors.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway } from '../gateway-client.ts';

interface ReplayOptions extends JsonOption {
  readonly stream: string;
  readonly fromOffset: string;
  readonly toOffset?: string;
  readonly terminal: string;
  readonly dryRun?: true;
}

export function replayCommand(cli: Cli): Command {
  const command = cli
    .command('replay', 'apply a range of a stream to a till again ↓; harmless where it is applied already', [
      'replay --stream payflow.catalog --from-offset 0 --terminal till-7 --dry-run',
      'replay --stream payflow.store.berlin-1 --from-offset 1200 --to-offset 1300 --terminal till-7',
    ])
    .requiredOption('--stream <topic>', 'the stream')
    .requiredOption('--from-offset <n>', 'first offset')
    .option('--to-offset <n>', 'last offset; without it to the end')
    .requiredOption('--terminal <id>', 'the till')
    .option('--dry-run', 'only count what would be applied');
  return withJson(command).action(
    cli.action(async (options: ReplayOptions) => {
      const body = {
        stream: options.stream,
        fromOffset: offset('--from-offset', options.fromOffset),
        ...(options.toOffset !== undefined && { toOffset: offset('--to-offset', options.toOffset) }),
        dryRun: options.dryRun === true,
      };
      if (body.toOffset !== undefined && body.toOffset < body.fromOffset) {
        throw new PayflowError('USAGE', '--to-offset must not be before --from-offset');
      }
      const path = `/terminals/${encodeURIComponent(options.terminal)}/replay`;
      const result = await withGateway(cli, (client) => client.post<ReplayResult>(path, body));
      if (options.json === true) cli.output.json(result);
      else {
        const verb = result.dryRun ? 'would be applied' : 'applied';
        cli.output.line(
          `↓ ${result.read} records read, ${result.applied} ${verb}, ${result.skipped} there already`,
        );
      }
      return EXIT.yes;
    }),
  );
}

function offset(option: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new PayflowError('USAGE', `${option} must be a whole number, not ${text}`);
}
