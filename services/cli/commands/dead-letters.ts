import { Option, type Command } from 'commander';
import type { DeadLetterRow } from '../../gateway/evidence.ts';
import type { OperationView } from '../../gateway/operations.ts';
import type { ShownWholeDeadLetter } from '../../gateway/evidence-view.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { LettersResult } from '../../shared/operations.ts';
import {
  askAndWait,
  collect,
  filterOf,
  listPath,
  parseMend,
  showCursor,
  withFilters,
  withPages,
  withTimeout,
  type FilterOptions,
  type ListOptions,
  type WaitOption,
} from '../asked.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { withGateway } from '../gateway-client.ts';
import { showChanges, showFacts } from '../shown-changes.ts';
import type { Output } from '../terminal-output.ts';

const FILTERS = { table: 'about rows of this table', code: 'refused with this code, the last time' };

export function deadLettersCommand(cli: Cli): Command {
  return cli
    .command('dead-letters', 'changes of tills that the centre refused: look, retry, discard', [
      'dead-letters list',
      'dead-letters show 7',
      'dead-letters retry 7',
      'dead-letters discard 7 --why "entered by hand"',
    ])
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(retryCommand(cli))
    .addCommand(discardCommand(cli));
}

function listCommand(cli: Cli): Command {
  const command = cli
    .command('list', 'list them, newest first', [
      'dead-letters list',
      'dead-letters list --terminal till-7 --state open',
    ])
    .addOption(
      new Option('--state <state>', 'only these').choices(['open', 'applied', 'superseded', 'discarded']),
    );
  return withJson(withPages(withFilters(command, FILTERS))).action(
    cli.action(async ({ json, state, ...list }: ListOptions & JsonOption & { state?: string }) =>
      withGateway(cli, async (client) => {
        const path = listPath('/dead-letters', list) + (state === undefined ? '' : `&state=${state}`);
        const page = await client.get<{ deadLetters: DeadLetterRow[]; nextCursor: string | null }>(path);
        if (json === true) cli.output.json(page);
        else showList(cli, page);
        return EXIT.yes;
      }),
    ),
  );
}

function showList(cli: Cli, page: { deadLetters: DeadLetterRow[]; nextCursor: string | null }): void {
  cli.output.table(
    ['id', 'terminal', 'seqs', 'tables', 'code', 'state', 'tries', 'refused at', 'message'],
    page.deadLetters.map((letter) => [
      letter.deadLetterId,
      letter.terminalId,
      `${letter.firstSeq}–${letter.lastSeq}`,
      letter.tables.join(', '),
      letter.lastCode ?? letter.code,
      letter.state,
      letter.tries,
      letter.refusedAt,
      letter.lastMessage ?? letter.message,
    ]),
  );
  showCursor(cli, page.nextCursor);
}

function showCommand(cli: Cli): Command {
  const command = cli
    .command('show', 'one of them with every change, before and after', ['dead-letters show 7'])
    .argument('<id>');
  return withJson(command).action(
    cli.action(async (id: string, { json }: JsonOption) =>
      withGateway(cli, async (client) => {
        const letter = await client.get<ShownWholeDeadLetter>(`/dead-letters/${encodeURIComponent(id)}`);
        if (json === true) cli.output.json(letter);
        else showLetter(cli.output, letter);
        return EXIT.yes;
      }),
    ),
  );
}

function showLetter(output: Output, letter: ShownWholeDeadLetter): void {
  showFacts(output, [
    ['dead letter', `${letter.deadLetterId}, ${letter.state}`],
    ['terminal', `${letter.terminalId}, incarnation ${letter.incarnation}, unit ${letter.unit}`],
    ['refused', `${letter.refusedAt}  ${letter.code}  ${letter.message}`],
    ['constraint', letter.constraint],
    ['tried again', letter.tries === 0 ? null : `${letter.tries} times, last at ${letter.lastTriedAt}`],
    ['last reason', letter.lastCode === null ? null : `${letter.lastCode}  ${letter.lastMessage}`],
    ['closed', letter.decidedAt === null ? null : `${letter.decidedAt} by ${letter.decidedBy ?? '–'}`],
    ['why', letter.why],
    ['mended', letter.mended],
  ]);
  showChanges(output, letter.changes);
}

interface SelectOptions extends FilterOptions, WaitOption, JsonOption {
  readonly all?: true;
  readonly why?: string;
}

function selectionOf(ids: readonly string[], { all, ...options }: SelectOptions) {
  const filter = filterOf(options);
  const isFiltered = Object.keys(filter).length > 0;
  if (all === true && ids.length === 0) return { all: filter };
  if (all === undefined && ids.length > 0 && !isFiltered) return { ids: [...ids] };
  throw new PayflowError('USAGE', 'either ids or --all is needed; filters go with --all');
}

function retryCommand(cli: Cli): Command {
  const command = cli
    .command(
      'retry',
      'apply them again under the rules of now, with what hangs on them; 1 if refused again',
      [
        'dead-letters retry 7',
        'dead-letters retry 7 --set order_items.quantity=1',
        'dead-letters retry 7 --set order_items.quantity@6=1 --allow',
        'dead-letters retry --all --terminal till-7 --code 23503',
      ],
    )
    .argument('[id...]')
    .option('--all', 'all open ones that the filters let through')
    .option('--set <TABLE.COLUMN=VALUE>', 'mend a value, as the till stores it; NULL for none', collect)
    .option('--allow', 'lend them the right to change what a till may not')
    .option('--why <text>', 'kept with it');
  return withJson(withTimeout(withFilters(command, FILTERS))).action(
    cli.action(
      async (
        ids: string[],
        { set = [], allow, ...options }: SelectOptions & { set?: string[]; allow?: true },
      ) => {
        const body = {
          ...selectionOf(ids, options),
          set: set.map(parseMend),
          allow: allow === true,
          ...(options.why === undefined ? {} : { why: options.why }),
        };
        return act(cli, '/dead-letters/retry', body, options);
      },
    ),
  );
}

function discardCommand(cli: Cli): Command {
  const command = cli
    .command('discard', 'give them up for good, with what hangs on them; the till keeps the rows, flagged', [
      'dead-letters discard 7 --why "entered by hand at head office"',
      'dead-letters discard --all --terminal till-7 --why "test sales"',
    ])
    .argument('[id...]')
    .option('--all', 'all open ones that the filters let through')
    .requiredOption('--why <text>', 'kept with them');
  return withJson(withTimeout(withFilters(command, FILTERS))).action(
    cli.action(async (ids: string[], options: SelectOptions) =>
      act(cli, '/dead-letters/discard', { ...selectionOf(ids, options), why: options.why }, options),
    ),
  );
}

async function act(cli: Cli, path: string, body: unknown, options: SelectOptions): Promise<ExitCode> {
  return withGateway(cli, async (client) => {
    const view = await askAndWait(cli, client, { path, body, timeout: options.timeout });
    const result = view.result as LettersResult;
    if (options.json === true) cli.output.json(result);
    else showResult(cli.output, view, result);
    const { refused, closed, unknown } = result.counts;
    return refused + closed + unknown === 0 ? EXIT.yes : EXIT.no;
  });
}

function showResult(
  output: Output,
  { operationId }: OperationView,
  { letters, counts }: LettersResult,
): void {
  output.table(
    ['id', 'terminal', 'state', 'changes', 'code', 'message'],
    letters.map((letter) => [
      letter.deadLetterId + (letter.dependant ? ' (along)' : ''),
      letter.terminalId,
      letter.state,
      Object.entries(letter.outcomes)
        .map(([outcome, count]) => `${count} ${outcome}`)
        .join(', '),
      letter.code,
      letter.message,
    ]),
    'none were open',
  );
  const said = Object.entries(counts).filter(([, count]) => count > 0);
  output.note(
    `operation ${operationId}: ${said.map(([state, count]) => `${count} ${state}`).join(', ') || 'nothing to do'}`,
  );
}
