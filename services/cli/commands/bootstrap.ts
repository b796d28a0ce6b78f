import type { Command } from 'commander';
import type { BootstrapResult } from '../../shared/agent-protocol.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway } from '../gateway-client.ts';
import { chosenTerminals } from '../terminal-choice.ts';
import type { Output } from '../terminal-output.ts';

interface BootstrapOptions extends JsonOption {
  readonly terminal?: string;
  readonly dryRun?: true;
}

export function bootstrapCommand(cli: Cli): Command {
  const command = cli
    .command(
      'bootstrap',
      'link rows of a till that have no central id yet ↑; can be repeated and interrupted',
      ['bootstrap --terminal till-7 --dry-run', 'bootstrap'],
    )
    .option('--terminal <id>', 'only this till; without it all that are online')
    .option('--dry-run', 'only count what would be done');
  return withJson(command).action(
    cli.action(async ({ terminal, dryRun, json }: BootstrapOptions) => {
      const results = await withGateway(cli, async (client) => {
        const done: (BootstrapResult & { terminalId: string })[] = [];
        for (const terminalId of await chosenTerminals(client, terminal)) {
          if (json !== true) cli.output.note(`${terminalId} …`);
          const path = `/terminals/${encodeURIComponent(terminalId)}/bootstrap`;
          const result = await client.post<BootstrapResult>(path, { dryRun: dryRun === true });
          done.push({ terminalId, ...result });
        }
        return done;
      });
      if (json === true) cli.output.json(results);
      else for (const result of results) show(cli.output, result);
      return EXIT.yes;
    }),
  );
}

function show(output: Output, result: BootstrapResult & { terminalId: string }): void {
  output.line(`${result.terminalId}${result.dryRun ? ' (dry run)' : ''}`);
  const rows = Object.entries(result.tables);
  output.table(
    ['table', '↑ offered', 'linked', 'inserted', 'listed'],
    rows.map(([table, counts]) => [table, counts.offered, counts.linked, counts.inserted, counts.listed]),
    'nothing to link',
  );
}
