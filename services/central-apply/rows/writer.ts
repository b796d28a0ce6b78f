/**
 * Writes folded rows with multi-row statements: inserts parents first, then updates, then deletes children
 * first. Whatever a statement should have touched must come back in RETURNING: a row that does not was
 * suppressed by a trigger, which is a refusal like any other.
 */
import { centralId, type CentralId } from '../../shared/records/change-record.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { RowWrites } from './standing.ts';
import { keyJoin, keyParameters } from './identity.ts';
import { typeOf, type TableModel } from './model.ts';
import { allDone, quoteName, textArray, unnest, type Text, type Session } from './sql.ts';
import { about, type Written } from './statement.ts';

/** What is to be done with one row. */
export interface RowPlan {
  readonly table: TableModel;
  readonly id: CentralId;
  readonly writes: RowWrites;
}

/** Rows after their insert or update, each with its hash in hex. */
export type WrittenRows = ReadonlyMap<RowPlan, string>;

/** SQLSTATE of a row that a trigger swallowed; ours, as PostgreSQL has none. */
export const SUPPRESSED = 'SUPPRESSED';

/** Of a row to which a trigger gave another key than the one its till is told: ours too. */
export const KEY_CHANGED = 'KEY_CHANGED';

/**
 * table    by kind and table, few statements: for many rows
 * original row by row as the till made them: for what only that order lets through
 */
export type RowOrder = 'table' | 'original';

/** @returns every row that was inserted or updated and not deleted again */
export async function writeRows(
  session: Session,
  plans: readonly RowPlan[],
  order: RowOrder,
): Promise<WrittenRows> {
  if (order === 'original') {
    const written: WrittenRow[] = [];
    for (const plan of plans) written.push(...(await writeInTableOrder(session, [plan])));
    return new Map(written);
  }
  return writeInTableOrder(session, plans);
}

async function writeInTableOrder(session: Session, plans: readonly RowPlan[]): Promise<WrittenRows> {
  const parentsFirst = [...plans].sort((a, b) => a.table.order - b.table.order);
  const deletions = parentsFirst.filter(({ writes }) => writes.delete).reverse();
  const rows = await allDone([
    ...alike(parentsFirst, insertColumns).map((group) => insertAlike(session, group)),
    ...alike(parentsFirst, updateColumns).map((group) => updateAlike(session, group)),
    ...alike(deletions, () => []).map((group) => deleteAlike(session, group)),
  ]);
  const written = new Map(rows.flat());
  for (const plan of deletions) written.delete(plan);
  return written;
}

type Columns = ReadonlyMap<string, unknown>;

/**
 * Plans that one statement can write, in the order of their first: of one table and with the same columns.
 * Names are compared one by one, since joining them to a text for every row takes longer than all the rest.
 * @param columnsOf null: not this kind of write
 */
function alike(
  plans: readonly RowPlan[],
  columnsOf: (plan: RowPlan) => readonly Columns[] | null,
): RowPlan[][] {
  const groups: RowPlan[][] = [];
  const byTable = new Map<
    TableModel,
    { readonly columns: readonly Columns[]; readonly plans: RowPlan[] }[]
  >();
  for (const plan of plans) {
    const columns = columnsOf(plan);
    if (columns === null) continue;
    const ofTable = byTable.get(plan.table) ?? [];
    byTable.set(plan.table, ofTable);
    const group = ofTable.find((each) => each.columns.every((known, at) => sameNames(known, columns[at])));
    if (group !== undefined) {
      group.plans.push(plan);
      continue;
    }
    const made = { columns, plans: [plan] };
    ofTable.push(made);
    groups.push(made.plans);
  }
  return groups;
}

function sameNames(a: Columns, b: Columns | undefined): boolean {
  if (a.size !== b?.size) return false;
  const names = b.keys();
  for (const name of a.keys()) if (name !== names.next().value) return false;
  return true;
}

function insertColumns({ writes }: RowPlan): readonly Columns[] | null {
  return writes.insert === null ? null : [writes.insert];
}

function updateColumns({ writes }: RowPlan): readonly Columns[] | null {
  return writes.update === null ? null : [writes.update.set, writes.update.add];
}

type WrittenRow = [plan: RowPlan, hash: string];

async function insertAlike(session: Session, plans: readonly RowPlan[]): Promise<WrittenRow[]> {
  const [first] = plans;
  if (first?.writes.insert == null) return [];
  const { table } = first;
  const columns = [...first.writes.insert.keys()];
  const selected = columns.map((column, index) => `v.c${index}::${typeOf(table, column)}`);
  const rows = await about(
    { table: table.name, kind: 'insert', columns },
    session.rows(
      `INSERT INTO ${table.sql} AS t (${columns.map(quoteName).join(', ')}) OVERRIDING SYSTEM VALUE
       SELECT ${selected.join(', ')} FROM ${unnest(columns.length)}
       RETURNING ${returning(table)}`,
      columns.map((column) => textArray(plans.map(({ writes }) => writes.insert?.get(column) ?? null))),
    ),
  );
  return returned(table, plans, rows, 'insert');
}

async function updateAlike(session: Session, plans: readonly RowPlan[]): Promise<WrittenRow[]> {
  const [first] = plans;
  if (first?.writes.update == null) return [];
  const { table } = first;
  const set = [...first.writes.update.set.keys()];
  const add = [...first.writes.update.add.keys()];
  const base = table.key.length;
  const assignments = [
    ...set.map((column, index) => `${quoteName(column)} = v.c${base + index}::${typeOf(table, column)}`),
    ...add.map((column, index) => {
      const name = quoteName(column);
      return `${name} = COALESCE(t.${name}, 0) + v.c${base + set.length + index}::numeric`;
    }),
  ];
  const values = (column: string, kind: 'set' | 'add'): string =>
    textArray(plans.map(({ writes }) => writes.update?.[kind].get(column) ?? null));
  const rows = await about(
    { table: table.name, kind: 'update', columns: [...set, ...add] },
    session.rows(
      `UPDATE ${table.sql} AS t SET ${assignments.join(', ')}
         FROM ${unnest(base + set.length + add.length)} WHERE ${keyJoin(table)}
       RETURNING ${returning(table)}`,
      [
        ...keyParameters(
          table,
          plans.map(({ id }) => id),
        ),
        ...set.map((column) => values(column, 'set')),
        ...add.map((column) => values(column, 'add')),
      ],
    ),
  );
  return returned(table, plans, rows, 'update');
}

async function deleteAlike(session: Session, plans: readonly RowPlan[]): Promise<WrittenRow[]> {
  const [first] = plans;
  if (first === undefined) return [];
  const { table } = first;
  const ids = plans.map(({ id }) => id);
  const rows = await about(
    { table: table.name, kind: 'delete', columns: [] },
    session.rows(
      `DELETE FROM ${table.sql} AS t USING ${unnest(table.key.length)} WHERE ${keyJoin(table)}
       RETURNING ${returning(table)}`,
      keyParameters(table, ids),
    ),
  );
  return returned(table, plans, rows, 'delete');
}

function returning(table: TableModel): string {
  return [...table.key.map((column) => `t.${quoteName(column)}`), table.hashSql('t')].join(', ');
}

/** @throws PayflowError DB_REFUSED (SUPPRESSED, KEY_CHANGED) when a row did not come back, or under another key */
function returned(
  table: TableModel,
  plans: readonly RowPlan[],
  rows: readonly (readonly Text[])[],
  kind: Written['kind'],
): WrittenRow[] {
  const hashes = new Map<string, string>();
  for (const row of rows) {
    const id = centralId(table.key.map((_, index) => row[index] ?? ''));
    hashes.set(id, row[table.key.length] ?? '');
  }
  const missing = plans.find(({ id }) => !hashes.has(id));
  if (missing !== undefined) throw notWritten(table, missing, kind, strangers(plans, hashes));
  return plans.map((plan): WrittenRow => [plan, hashes.get(plan.id) ?? '']);
}

/** Keys that came back and that nobody asked for. */
function strangers(plans: readonly RowPlan[], hashes: ReadonlyMap<string, string>): string[] {
  const planned = new Set<string>(plans.map(({ id }) => id));
  return [...hashes.keys()].filter((id) => !planned.has(id));
}

/**
 * A key that a trigger makes can't be followed: links and references to the row are written before it, under the key
 * that was made ahead.
 */
function notWritten(
  table: TableModel,
  { id }: RowPlan,
  kind: Written['kind'],
  others: readonly string[],
): PayflowError {
  const [other] = others;
  const message =
    other === undefined
      ? `a trigger of ${table.name} suppressed the row ${id}`
      : `a trigger of ${table.name} gave the row ${id} the key ${other}: let it leave a key that is given, and make keys by the column's default`;
  const sqlState = other === undefined ? SUPPRESSED : KEY_CHANGED;
  return new PayflowError('DB_REFUSED', message, {
    details: { sqlState, written: { table: table.name, kind, columns: [] } },
  });
}
