/**
 * `conflicts resolve`: a decided conflict is decided otherwise by hand. It is a write of head office: the row's
 * version says so, and it flows down like any other. The operator has seen the row as the decision left it, or
 * names a later standing; where the row is another one by now nothing is written, unless that is asked for.
 */
import type { CentralId } from '../../shared/records/change-record.ts';
import { PayflowError } from '../../shared/errors.ts';
import { resolveSchema, type ResolveArguments, type ResolveResult } from '../../shared/operations.ts';
import { centralRow } from '../rows/change.ts';
import { CENTRE, type RowWrites, type Standing } from '../rows/standing.ts';
import { removeVersions, writeVersions } from '../rows/evidence.ts';
import type { CentralModel, TableModel } from '../rows/model.ts';
import { lockRows, type RowName } from '../rows/reader.ts';
import { LONG_AGO } from '../rows/row-version.ts';
import type { Session, Text, TextRow } from '../rows/sql.ts';
import { writeRows, type RowPlan } from '../rows/writer.ts';
import { changedSince, planResolution, standingName, type Values } from './conflict-plan.ts';
import type { OperationContext, OperationHandler } from './operation.ts';

export const resolveConflict: OperationHandler = async (context, args) => {
  const wanted = resolveSchema.parse(args);
  const { session, model, by } = context;
  const [row] = await session.rows(
    `SELECT table_name, central_id, central_row, terminal_row, standing, resolved_by
       FROM payflow_sync.conflict WHERE conflict_id = $1::bigint FOR UPDATE`,
    [wanted.id],
  );
  if (row === undefined) throw new PayflowError('NOT_FOUND', `there is no conflict ${wanted.id}`);
  const conflict = readConflict(row);
  const { id } = conflict;
  const table = model.tables.get(conflict.table);
  if (table === undefined || id === null) {
    throw new PayflowError('CONFLICT', `the row of conflict ${wanted.id} is not mapped any more`);
  }
  const standing = await standingOf(session, model, { table, id });
  const { decided, resolvedBy } = conflict;
  checkStanding(wanted, { table, decided, resolvedBy, standing: standing?.values ?? null });
  const now = new Date().toISOString();
  const facts = { table, ...conflict.rows, standing: standing?.values ?? null };
  const { writes, leftAlone } = planResolution(facts, wanted, now);
  if (writes !== null) await write(context, { table, id, writes }, Date.parse(now));
  await session.rows(
    `UPDATE payflow_sync.conflict SET resolution = $2, resolved_at = clock_timestamp(), resolved_by = $3
      WHERE conflict_id = $1::bigint`,
    [wanted.id, JSON.stringify({ take: wanted.take, values: wanted.values, force: wanted.force }), by],
  );
  const result: ResolveResult = {
    conflictId: wanted.id,
    table: table.name,
    centralId: id,
    written: kindOf(writes),
    columns: [...(writes?.insert?.keys() ?? writes?.update?.set.keys() ?? [])],
    leftAlone,
  };
  return { result, done: true };
};

function readConflict([table, id, centralText, terminalText, standing, resolvedBy]: TextRow) {
  return {
    table: table ?? '',
    id: (id ?? null) as CentralId | null,
    rows: {
      centralRow: readValues(centralText ?? null),
      terminalRow: readValues(terminalText ?? null) ?? new Map(),
    },
    decided: readValues(standing ?? null),
    resolvedBy: resolvedBy ?? null,
  };
}

function readValues(text: Text): Values | null {
  return text === null ? null : new Map(Object.entries(JSON.parse(text) as Record<string, Text>));
}

interface Seen {
  readonly table: TableModel;
  /** As the decision left it; null also for conflicts of an earlier version, which did not say. */
  readonly decided: Values | null;
  readonly resolvedBy: Text;
  readonly standing: Values | null;
}

/** @throws PayflowError CONFLICT when the row is not what the operator has seen */
function checkStanding({ id, standing: named, force }: ResolveArguments, seen: Seen): void {
  const { table, decided, resolvedBy, standing } = seen;
  if (force || standing === null) return;
  const now = standingName(table, standing);
  if (named === now) return;
  if (resolvedBy !== null && named === undefined) {
    throw new PayflowError('CONFLICT', `conflict ${id} was resolved already, by ${resolvedBy}`);
  }
  const changed = changedSince(table, decided, standing);
  const asDecided = named === undefined || (decided !== null && named === standingName(table, decided));
  if (asDecided && changed.length === 0) return;
  const columns = changed.length === 0 ? '' : ` (${changed.join(', ')})`;
  throw new PayflowError(
    'CONFLICT',
    `the row has changed since it was shown${columns}: look at it, then name it as it stands now with ` +
      `--standing ${now}, or use --force`,
    { details: { standing: now, columns: changed } },
  );
}

async function write({ session }: OperationContext, plan: RowPlan, clockMs: number): Promise<void> {
  const { table, id } = plan;
  const written = await writeRows(session, [plan], 'table');
  const hash = written.get(plan);
  if (hash === undefined) await removeVersions(session, [{ table, id }]);
  else {
    const rest = { clockMs, writer: CENTRE, seq: 0, at: LONG_AGO };
    await writeVersions(session, [{ table, id, hash, rest, columns: new Map() }]);
  }
}

function kindOf(writes: RowWrites | null): ResolveResult['written'] {
  if (writes === null) return 'nothing';
  if (writes.insert !== null) return 'inserted';
  return writes.delete ? 'deleted' : 'updated';
}

async function standingOf(session: Session, model: CentralModel, row: RowName): Promise<Standing | null> {
  const wanted = { rows: [row], parents: [], mentioned: [], made: new Set<string>() };
  const { standing } = await lockRows(session, model, wanted);
  return standing.get(centralRow(row.table, row.id)) ?? null;
}
