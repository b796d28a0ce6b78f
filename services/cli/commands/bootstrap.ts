import type { Command } from 'commander';
import type { BootstrapResult } from '../../shared/agent-protocol.ts';
import { PayflowError } from '../../shared/errors.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway } from '../gateway-client.ts';
import { countOffers } from '../till/bootstrap-count.ts';
import { ownIdentity, withStoppedTill } from '../till/stopped-till.ts';
import { chosenTerminals } from '../till/terminal-choice.ts';
import type { Output } from '../terminal-output.ts';

interface BootstrapOptions extends JsonOption {
  readonly terminal?: string;
  readonly terminalDb?: string;
  readonly dryRun?: true;
  readonly none?: true;
}

type TillResult = BootstrapResult & { readonly terminalId: string };

export function bootstrapCommand(cli: Cli): Command {
  const command = cli
    .command(
      'bootstrap',
      'link rows of a till that have no central id yet ↑; can be repeated and interrupted',
      [
        'bootstrap --terminal till-7 --dry-run',
        'bootstrap',
        'bootstrap --terminal till-7 --terminal-db payflow.db',
        'bootstrap --terminal till-7 --none',
      ],
    )
    .option('--terminal <id>', 'only this till; without it all that are online')
    .option('--terminal-db <file>', 'its file on this machine, when its agent is stopped')
    .option('--dry-run', 'only count what would be done')
    .option(
      '--none',
      'none of the rows from before is the centre’s: they stay on the till as they are, and rows of the centre come in beside them',
    );
  return withJson(command).action(
    cli.action(async (options: BootstrapOptions) => {
      if (options.none === true && options.dryRun === true)
        throw new PayflowError('USAGE', 'either --none or --dry-run');
      const results =
        options.terminalDb === undefined ? await byGateway(cli, options) : await here(cli, options);
      if (options.json === true) cli.output.json(results);
      else for (const result of results) show(cli.output, result);
      return results.some(({ listed, refused }) => listed + refused > 0) ? EXIT.no : EXIT.yes;
    }),
  );
}

async function byGateway(
  cli: Cli,
  { terminal, dryRun, none, json }: BootstrapOptions,
): Promise<TillResult[]> {
  return withGateway(cli, async (client) => {
    const done: TillResult[] = [];
    for (const terminalId of await chosenTerminals(client, terminal)) {
      if (json !== true) cli.output.note(`${terminalId} …`);
      const path = `/terminals/${encodeURIComponent(terminalId)}/bootstrap`;
      const result = await client.post<BootstrapResult>(path, {
        dryRun: dryRun === true,
        none: none === true,
      });
      done.push({ terminalId, ...result });
    }
    return done;
  });
}

async function here(
  cli: Cli,
  { terminal, terminalDb, dryRun, none }: BootstrapOptions,
): Promise<TillResult[]> {
  if (terminal === undefined || terminalDb === undefined) {
    throw new PayflowError('USAGE', '--terminal-db needs --terminal');
  }
  const result =
    dryRun === true
      ? countOffers(
          terminalDb,
          ownIdentity(cli, { terminalId: terminal, file: terminalDb }),
          cli.commandLog(),
        )
      : await withStoppedTill(cli, { terminalId: terminal, file: terminalDb }, (agent) =>
          none === true ? agent.bootstrapNone() : agent.bootstrap({ dryRun: false }),
        );
  return [{ terminalId: terminal, ...result }];
}

function show(output: Output, result: TillResult): void {
  output.line(`${result.terminalId}${result.dryRun ? ' (dry run)' : ''}`);
  const rows = Object.entries(result.tables);
  output.table(
    ['table', '↑ offered', 'linked', 'inserted', 'refused', 'listed'],
    rows.map(([table, counts]) => [
      table,
      counts.offered,
      counts.linked,
      counts.inserted,
      counts.refused,
      counts.listed,
    ]),
    result.left > 0 ? `${result.left} rows stay as they are` : 'nothing to link',
  );
  for (const { table, key, why } of result.rows) output.line(`${table} ${key}: ${why}`);
  const more = result.listed + result.refused - result.rows.length;
  if (more > 0) output.line(`… and ${more} more`);
}
