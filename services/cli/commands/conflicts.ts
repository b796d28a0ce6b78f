import { Option, type Command } from 'commander';
import type { ConflictRow, WholeConflict } from '../../gateway/evidence.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { ResolveArguments, ResolveResult } from '../../shared/operations.ts';
import {
  askAndWait,
  collect,
  listPath,
  parseMend,
  showCursor,
  withFilters,
  withPages,
  withTimeout,
  type ListOptions,
  type WaitOption,
} from '../asked.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway } from '../gateway-client.ts';
import { showFacts } from '../shown-changes.ts';
import type { Output } from '../terminal-output.ts';

export function conflictsCommand(cli: Cli): Command {
  return cli
    .command('conflicts', 'rows that a till and somebody else changed at once: look, decide otherwise', [
      'conflicts list',
      'conflicts show 5',
      'conflicts resolve 5 --take terminal',
    ])
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(resolveCommand(cli));
}

function listCommand(cli: Cli): Command {
  const command = cli.command('list', 'list them, newest first', [
    'conflicts list',
    'conflicts list --table products --since 2026-03-01',
  ]);
  const filters = { table: 'of this central table', code: 'decided by this rule' };
  return withJson(withPages(withFilters(command, filters))).action(
    cli.action(async ({ json, ...list }: ListOptions & JsonOption) =>
      withGateway(cli, async (client) => {
        const path = listPath('/conflicts', list);
        const page = await client.get<{ conflicts: ConflictRow[]; nextCursor: string | null }>(path);
        if (json === true) cli.output.json(page);
        else {
          cli.output.table(
            ['id', 'table', 'row', 'terminal', 'seq', 'winner', 'rule', 'decided at', 'resolved by'],
            page.conflicts.map((c) => [
              c.conflictId,
              c.table,
              c.centralId,
              c.terminalId,
              c.seq,
              c.winner,
              c.rule,
              c.decidedAt,
              c.resolvedBy,
            ]),
          );
          showCursor(cli, page.nextCursor);
        }
        return EXIT.yes;
      }),
    ),
  );
}

function showCommand(cli: Cli): Command {
  const command = cli
    .command('show', 'both versions of one, and the row as the decision left it', ['conflicts show 5'])
    .argument('<id>');
  return withJson(command).action(
    cli.action(async (id: string, { json }: JsonOption) =>
      withGateway(cli, async (client) => {
        const conflict = await client.get<WholeConflict>(`/conflicts/${encodeURIComponent(id)}`);
        if (json === true) cli.output.json(conflict);
        else showConflict(cli.output, conflict);
        return EXIT.yes;
      }),
    ),
  );
}

type Row = Readonly<Record<string, string | null>> | null;

function showConflict(output: Output, conflict: WholeConflict): void {
  const [central, terminal, standing] = [
    conflict.centralRow,
    conflict.terminalRow,
    conflict.standing,
  ] as Row[];
  showFacts(output, [
    ['conflict', conflict.conflictId],
    ['row', `${conflict.table} ${conflict.centralId}`],
    ['terminal', `${conflict.terminalId}, seq ${conflict.seq}`],
    ['decided', `${conflict.decidedAt}: ${conflict.winner} wins by ${conflict.rule}`],
    ['resolved', conflict.resolvedAt === null ? null : `${conflict.resolvedAt} by ${conflict.resolvedBy}`],
    ['resolution', conflict.resolution],
  ]);
  output.line();
  const columns = [...new Set([...Object.keys(central ?? {}), ...Object.keys(terminal ?? {})])];
  const cell = (row: Row | undefined, column: string) => (row && column in row ? row[column] : '');
  output.table(
    ['column', 'central, before', 'terminal', 'as decided'],
    columns.map((column) => [column, cell(central, column), cell(terminal, column), cell(standing, column)]),
    'the rows are shown to operators only',
  );
}

interface ResolveOptions extends WaitOption, JsonOption {
  readonly take: ResolveArguments['take'];
  readonly set?: string[];
  readonly standing?: string;
  readonly force?: true;
  readonly why?: string;
}

function resolveCommand(cli: Cli): Command {
  const command = cli
    .command('resolve', 'decide one otherwise, as head office; refused where the row has changed since', [
      'conflicts resolve 5 --take terminal',
      'conflicts resolve 5 --take values --set products.name=Espresso',
    ])
    .argument('<id>')
    .addOption(
      new Option('--take <version>', 'which version')
        .choices(['central', 'terminal', 'values'])
        .makeOptionMandatory(),
    )
    .option(
      '--set <TABLE.COLUMN=VALUE>',
      'with --take values, as PostgreSQL reads it; NULL for none',
      collect,
    )
    .option('--standing <name>', 'the row as it stands now, by the name that a refusal printed')
    .option('--force', 'whatever the row is by now')
    .option('--why <text>', 'kept with it');
  return withJson(withTimeout(command)).action(
    cli.action(async (id: string, options: ResolveOptions) =>
      withGateway(cli, async (client) => {
        const path = `/conflicts/${encodeURIComponent(id)}`;
        const { table } = await client.get<WholeConflict>(path);
        const body = bodyOf(options, table);
        const { timeout } = options;
        const view = await askAndWait(cli, client, { path: `${path}/resolve`, body, timeout });
        const result = view.result as ResolveResult;
        if (options.json === true) cli.output.json(result);
        else showResolved(cli.output, result);
        return EXIT.yes;
      }),
    ),
  );
}

function bodyOf({ take, set = [], standing, force, why }: ResolveOptions, table: string) {
  if ((take === 'values') !== set.length > 0) {
    throw new PayflowError('USAGE', '--take values needs --set, and nothing else takes it');
  }
  const values = set.map(parseMend);
  const other = values.find((value) => value.table !== table || value.seq !== undefined);
  if (other !== undefined)
    throw new PayflowError('USAGE', `the row is one of ${table}: --set ${table}.COLUMN=VALUE`);
  return {
    take,
    force: force === true,
    ...(take === 'values' ? { values: Object.fromEntries(values.map((v) => [v.column, v.value])) } : {}),
    ...(standing === undefined ? {} : { standing }),
    ...(why === undefined ? {} : { why }),
  };
}

function showResolved(
  output: Output,
  { table, centralId, written, columns, leftAlone }: ResolveResult,
): void {
  output.line(
    written === 'nothing'
      ? `${table} ${centralId} stands like that already`
      : `${table} ${centralId} ${written}${columns.length === 0 ? '' : `: ${columns.join(', ')}`}`,
  );
  if (leftAlone.length > 0) output.note(`sums of what everyone did are left alone: ${leftAlone.join(', ')}`);
}
