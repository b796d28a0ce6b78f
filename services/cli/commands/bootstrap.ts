import type { Command } from 'commander';
import type { BootstrapResult } from '../../shared/agent-protocol.ts';
import { PayflowError } from '../../shared/errors.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway } from '../gateway-client.ts';
import { countOffers } from '../till/bootstrap-count.ts';
import { ownIdentity, withStoppedTill } from '../till/stopped-till.ts';
import { runUp } from './up.ts';
import { chosenTerminals } from '../till/terminal-choice.ts';
import { parseTillPlan, type TillPlan } from '../up/up-plan.ts';
import { withProgress } from '../bootstrap-progress.ts';
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
        'bootstrap --terminal till-1=./payflow.db@berlin-1',
      ],
    )
    .option(
      '--terminal <id>',
      'only this till; without it all that are online. ID=FILE@STORE: as for `up`, which then runs only as long as this takes',
    )
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
      const results = await bootstrapped(cli, options);
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
      const asked = { dryRun: dryRun === true, none: none === true };
      const post = () => client.post<BootstrapResult>(path, asked);
      const isShort = json === true || asked.dryRun || asked.none;
      const run = () => (isShort ? post() : withProgress({ client, output: cli.output, terminalId }, post));
      done.push({ terminalId, ...(await run()) });
    }
    return done;
  });
}

/** Whoever leaves is told what goes on, and how to come back. */
async function bootstrapped(cli: Cli, options: BootstrapOptions): Promise<TillResult[]> {
  const { terminal = '', terminalDb, dryRun, none } = options;
  const isAlone = terminal.includes('=');
  try {
    if (terminalDb !== undefined) return await here(cli, options);
    return await (isAlone ? alone(cli, options, parseTillPlan(terminal)) : byGateway(cli, options));
  } catch (error) {
    if (cli.signal.aborted && dryRun !== true && none !== true)
      cli.output.note(terminalDb === undefined && !isAlone ? THERE_IT_GOES_ON : HERE_IT_STOPS);
    throw error;
  }
}

const THERE_IT_GOES_ON =
  'interrupted: the till goes on by itself while its agent runs; the same command waits for the rest';
const HERE_IT_STOPS = 'interrupted: what was offered stays so; the same command goes on from there';

/** On one machine, before anything runs there. */
async function alone(cli: Cli, options: BootstrapOptions, till: TillPlan): Promise<TillResult[]> {
  let results: TillResult[] = [];
  const whenReady = async () => {
    results = await byGateway(cli, { ...options, terminal: till.terminalId });
  };
  await runUp(cli, [till], { json: options.json === true, whenReady });
  return results;
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
