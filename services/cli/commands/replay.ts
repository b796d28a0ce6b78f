import type { Command } from 'commander';
import type { ReplayResult } from '../../shared/agent-protocol.ts';
import { asPayflowError, errorLine, PayflowError } from '../../shared/errors.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT, exitCodeOf, type ExitCode } from '../exit-code.ts';
import { withGateway, type GatewayClient } from '../gateway-client.ts';
import { terminalsOfStore } from '../till/terminal-choice.ts';

interface ReplayOptions extends JsonOption {
  readonly stream: string;
  readonly fromOffset?: string;
  readonly fromTime?: string;
  readonly fromLsn?: string;
  readonly toOffset?: string;
  readonly toTime?: string;
  readonly toLsn?: string;
  readonly terminal?: string;
  readonly store?: string;
  readonly dryRun?: true;
}

/** What became of one till. */
type Replayed =
  | ({ readonly terminalId: string } & ReplayResult)
  | { readonly terminalId: string; readonly error: { readonly code: string; readonly message: string } };

export function replayCommand(cli: Cli): Command {
  const command = cli
    .command('replay', 'apply a range of a stream to tills again ↓; harmless where it is applied already', [
      'replay --stream payflow.catalog --from-offset 0 --terminal till-7 --dry-run',
      'replay --stream payflow.catalog --from-time 2026-03-01T08:00:00Z --to-time 2026-03-01T09:30:00Z --store berlin-1',
      'replay --stream payflow.store.berlin-1 --from-lsn 1/A3F0 --terminal till-7',
    ])
    .requiredOption('--stream <topic>', 'the stream')
    .option('--from-offset <n>', 'first offset')
    .option('--from-time <time>', 'as 2026-03-01T08:00:00Z: when the log received the first record')
    .option('--from-lsn <lsn>', 'position of the first commit at the centre')
    .option('--to-offset <n>', 'last offset; without any end to the end of the stream')
    .option('--to-time <time>', 'when the log received the last record')
    .option('--to-lsn <lsn>', 'position of the last commit')
    .option('--terminal <id>', 'the till')
    .option('--store <id>', 'all tills of a store')
    .option('--dry-run', 'only count what would be applied');
  return withJson(command).action(
    cli.action(async (options: ReplayOptions) => {
      const body = bodyOf(options);
      return withGateway(cli, async (client) => {
        const { terminal } = options;
        if (terminal !== undefined) return one(cli, client, { terminal, body, json: options.json });
        const tills = await terminalsOfStore(client, options.store ?? '');
        const results = await Promise.all(tills.map((terminalId) => attempt(client, terminalId, body)));
        if (options.json === true) cli.output.json(results);
        else for (const result of results) cli.output.line(`${result.terminalId}: ${textOf(result)}`);
        return results.some((result) => 'error' in result) ? EXIT.failed : EXIT.yes;
      });
    }),
  );
}

interface One {
  readonly terminal: string;
  readonly body: object;
  readonly json: true | undefined;
}

async function one(cli: Cli, client: GatewayClient, { terminal, body, json }: One): Promise<ExitCode> {
  const result = await client.post<ReplayResult>(pathOf(terminal), body);
  if (json === true) cli.output.json(result);
  else cli.output.line(textOf({ terminalId: terminal, ...result }));
  return EXIT.yes;
}

/** One till that is away keeps the others from nothing. */
async function attempt(client: GatewayClient, terminalId: string, body: object): Promise<Replayed> {
  try {
    return { terminalId, ...(await client.post<ReplayResult>(pathOf(terminalId), body)) };
  } catch (thrown) {
    const error = asPayflowError(thrown);
    if (exitCodeOf(error) === EXIT.usage) throw error;
    return { terminalId, error: { code: error.code, message: errorLine(error) } };
  }
}

function pathOf(terminalId: string): string {
  return `/terminals/${encodeURIComponent(terminalId)}/replay`;
}

function textOf(result: Replayed): string {
  if ('error' in result) return result.error.message;
  const verb = result.dryRun ? 'would be applied' : 'applied';
  return `↓ ${result.read} records read, ${result.applied} ${verb}, ${result.skipped} there already`;
}

/** @throws PayflowError USAGE */
function bodyOf(options: ReplayOptions): object {
  const { stream, fromOffset, fromTime, fromLsn, toOffset, toTime, toLsn, terminal, store } = options;
  const from = [fromOffset, fromTime, fromLsn].filter((bound) => bound !== undefined).length;
  if (from !== 1)
    throw new PayflowError('USAGE', 'one of --from-offset, --from-time and --from-lsn is needed');
  if ((terminal === undefined) === (store === undefined))
    throw new PayflowError('USAGE', 'either --terminal or --store is needed');
  const body = {
    stream,
    fromOffset: offset('--from-offset', fromOffset),
    toOffset: offset('--to-offset', toOffset),
    fromTime: time('--from-time', fromTime),
    toTime: time('--to-time', toTime),
    fromLsn,
    toLsn,
    dryRun: options.dryRun === true,
  };
  if (body.fromOffset !== undefined && body.toOffset !== undefined && body.toOffset < body.fromOffset)
    throw new PayflowError('USAGE', '--to-offset must not be before --from-offset');
  if (body.fromTime !== undefined && body.toTime !== undefined && body.toTime < body.fromTime)
    throw new PayflowError('USAGE', '--to-time must not be before --from-time');
  return body;
}

function offset(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new PayflowError('USAGE', `${option} must be a whole number, not ${text}`);
}

/** A zone has to be named: an operator's own is not the log's. */
const WITH_ZONE = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/i;

function time(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const ms = WITH_ZONE.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(ms)) return new Date(ms).toISOString();
  throw new PayflowError(
    'USAGE',
    `${option} must be a time with its zone, as 2026-03-01T08:00:00Z, not ${text}`,
  );
}
