import type { Command } from 'commander';
import type { Summary, TableFindings } from '../../gateway/verify/findings.ts';
import type { VerifiedTill, VerifyRun } from '../../gateway/verify/run-store.ts';
import { PayflowError } from '../../shared/errors.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { withGateway, type GatewayClient } from '../gateway-client.ts';
import type { Output } from '../terminal-output.ts';

const LOOK_MS = 2_000;

interface VerifyOptions extends JsonOption {
  readonly terminal?: string;
  readonly store?: string;
  readonly table?: string;
  readonly repair?: true;
}

export function verifyCommand(cli: Cli): Command {
  const command = cli
    .command('verify', 'compare tills with the centre, row by row, while everything runs', [
      'verify',
      'verify --terminal till-7 --table products',
      'verify --terminal till-7 --repair',
    ])
    .option('--terminal <id>', 'one till; without it all')
    .option('--store <id>', 'the tills of a store')
    .option('--table <name>', 'one table, by its name on the till')
    .option('--repair', 'mend what differs: the newer side goes up or comes down as rows always do');
  return withJson(command).action(
    cli.action(async (options: VerifyOptions) => {
      const { terminal: terminalId, store: storeId, table } = options;
      if (terminalId !== undefined && storeId !== undefined)
        throw new PayflowError('USAGE', 'only one of --terminal and --store can be given');
      const all = terminalId === undefined && storeId === undefined ? true : undefined;
      return withGateway(cli, async (client) => {
        const body = { terminalId, storeId, all, table, repair: options.repair === true };
        const { runId } = await client.post<{ runId: string }>('/verify', body);
        const run = await finished(cli, client, runId);
        if (options.json === true) cli.output.json(run);
        else show(cli.output, run);
        return verifyExitCode(run);
      });
    }),
  );
}

/** In short looks, so that progress can be told. Whoever leaves has its id: it goes on by itself. */
async function finished(cli: Cli, client: GatewayClient, runId: string): Promise<VerifyRun> {
  for (;;) {
    const run = await client.get<VerifyRun>(`/verify/${runId}?waitMs=${LOOK_MS}`);
    if (run.state !== 'waiting' && run.state !== 'running') return run;
    cli.output.note(progressText(run));
  }
}

function progressText({ runId, terminals }: VerifyRun): string {
  const done = terminals.filter(({ state }) => state === 'done' || state === 'failed').length;
  const now = terminals.flatMap(({ terminalId, progress }) =>
    progress === null
      ? []
      : [`${terminalId}: ${progress.table}, ${progress.done} of ${progress.of} tables done`],
  );
  return [`comparison ${runId}: ${done} of ${terminals.length} tills`, ...now].join('; ');
}

/** 0: nothing differs but what the mapping says; 1: something does; 3: a till could not be compared. */
export function verifyExitCode({ terminals }: VerifyRun): ExitCode {
  if (terminals.some(({ summary }) => summary !== null && differing(summary) > 0)) return EXIT.no;
  return terminals.some(({ state }) => state === 'failed') ? EXIT.failed : EXIT.yes;
}

function differing({ differs, known, notLookedAt }: Summary): number {
  return differs + known + notLookedAt;
}

function show(output: Output, { terminals }: VerifyRun): void {
  for (const till of terminals) showTill(output, till);
}

function showTill(output: Output, { terminalId, error, summary, tables, skipped }: VerifiedTill): void {
  if (error !== null) output.line(`${terminalId}: [${error.code}] ${error.message}`);
  if (summary === null) return;
  const rows = tables.reduce((sum, table) => sum + table.rows.centre, 0);
  const { differs, known, byDesign, moving, notLookedAt } = summary;
  const parts = [
    differs === 0 ? 'nothing differs' : `${differs} rows differ`,
    ...(known === 0 ? [] : [`${known} differ for a known reason`]),
    ...(byDesign === 0 ? [] : [`${byDesign} differ as the mapping says`]),
    ...(moving === 0 ? [] : [`${moving} changed at each look`]),
    ...(notLookedAt === 0 ? [] : [`up to ${notLookedAt} more may differ, and were not looked at`]),
  ];
  output.line(`${terminalId}: ${tables.length} tables, ${rows} rows at the centre: ${parts.join(', ')}`);
  for (const { table, why } of skipped) output.line(`  ${table} was not compared: ${why}`);
  for (const table of tables) showTable(output, table);
}

function showTable(output: Output, findings: TableFindings): void {
  const { table, counts, repaired, differs, known, moving } = findings;
  if (repaired !== null) output.line(`  ${table}: ${repaired} rows were mended`);
  const nameOf = ({ id, key }: { readonly id: string | null; readonly key: string | null }) =>
    [id === null ? 'no central id' : `id ${id}`, ...(key === null ? [] : [`key ${key} on the till`])].join(
      ', ',
    );
  for (const row of differs) {
    const columns = row.columns.length === 0 ? '' : ` in ${row.columns.join(', ')}`;
    const newer = row.newer === 'unknown' ? 'which side is newer is not known' : `newer: ${row.newer}`;
    output.line(`  ${table} (${nameOf(row)}): ${row.how}${columns}; ${newer}`);
  }
  for (const row of known) output.line(`  ${table} (${nameOf(row)}): ${row.why}`);
  for (const row of moving) output.line(`  ${table} (${nameOf(row)}): changed at each look`);
  const unnamed = counts.differs - differs.length + counts.known - known.length;
  if (unnamed > 0) output.line(`  ${table}: ${unnamed} more`);
}
