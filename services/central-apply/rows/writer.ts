/**
 * Writes folded rows with multi-row statements: inserts parents first, then updates, then deletes children
 * first. Whatever a statement should have touched must come back in RETURNING: a row that does not was
 * suppressed by a trigger, which is a refusal like any other.
 */
import { centralId, type CentralId } from '../../shared/records/change-record.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { RowWrites } from './decide.ts';
import { keyJoin, keyParameters } from './identity.ts';
import { typeOf, type TableModel } from './model.ts';
import { allDone, quoteName, textArray, unnest, type Text, type Session } from './sql.ts';

/** What is to be done with one row. */
export interface RowPlan {
  readonly table: TableModel;
  readonly id: CentralId;
  readonly writes: RowWrites;
}

/** A row after its insert or update. */
export interface WrittenRow {
  readonly table: TableModel;
  readonly id: CentralId;
  /** Hex. */
  readonly hash: string;
}

/** SQLSTATE of a row that a trigger swallowed; ours, as PostgreSQL has none. */
export const SUPPRESSED = 'SUPPRESSED';

/**
 * table    by kind and table, few statements: for many rows
 * original row by row as the till made them: for what only that order lets through
 */
export type WriteOrder = 'table' | 'original';

/** @returns every row that was inserted or updated and not deleted again */
export async function writeRows(
  session: Session,
  plans: readonly RowPlan[],
  order: WriteOrder,
): Promise<WrittenRow[]> {
  if (order === 'original') {
    const written: WrittenRow[] = [];
    for (const plan of plans) written.push(...(await writeInTableOrder(session, [plan])));
    return written;
  }
  return writeInTableOrder(session, plans);
}

async function writeInTableOrder(session: Session, plans: readonly RowPlan[]): Promise<WrittenRow[]> {
  const parentsFirst = [...plans].sort((a, b) => a.table.order - b.table.order);
  const written = new Map<RowPlan, WrittenRow>();
  const deletions = parentsFirst.filter(({ writes }) => writes.delete).reverse();
  const rows = await allDone([
    ...alike(parentsFirst, insertShape).map((group) => insertAlike(session, group)),
    ...alike(parentsFirst, updateShape).map((group) => updateAlike(session, group)),
    ...alike(deletions, ({ table }) => table.name).map((group) => deleteAlike(session, group)),
  ]);
  for (const [plan, row] of rows.flat()) written.set(plan, row);
  for (const plan of deletions) written.delete(plan);
  return [...written.values()];
}

/** Plans that one statement can write, in the order of their first; `shape` null: not this kind of write. */
function alike(plans: readonly RowPlan[], shape: (plan: RowPlan) => string | null): RowPlan[][] {
  const groups = new Map<string, RowPlan[]>();
  for (const plan of plans) {
    const name = shape(plan);
    if (name === null) continue;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [plan]);
    else group.push(plan);
  }
  return [...groups.values()];
}

function insertShape({ table, writes }: RowPlan): string | null {
  if (writes.insert === null) return null;
  return `${table.name}\0${[...writes.insert.keys()].join('\0')}`;
}

function updateShape({ table, writes }: RowPlan): string | null {
  if (writes.update === null) return null;
  const { set, add } = writes.update;
  return `${table.name}\0${[...set.keys()].join('\0')}\0+\0${[...add.keys()].join('\0')}`;
}

type Written = [plan: RowPlan, row: WrittenRow];

async function insertAlike(session: Session, plans: readonly RowPlan[]): Promise<Written[]> {
  const [first] = plans;
  if (first?.writes.insert == null) return [];
  const { table } = first;
  const columns = [...first.writes.insert.keys()];
  const selected = columns.map((column, index) => `v.c${index}::${typeOf(table, column)}`);
  const rows = await session.rows(
    `INSERT INTO ${table.sql} AS t (${columns.map(quoteName).join(', ')}) OVERRIDING SYSTEM VALUE
     SELECT ${selected.join(', ')} FROM ${unnest(columns.length)}
     RETURNING ${returning(table)}`,
    columns.map((column) => textArray(plans.map(({ writes }) => writes.insert?.get(column) ?? null))),
  );
  return returned(table, plans, rows);
}

async function updateAlike(session: Session, plans: readonly RowPlan[]): Promise<Written[]> {
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
  const rows = await session.rows(
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
  );
  return returned(table, plans, rows);
}

async function deleteAlike(session: Session, plans: readonly RowPlan[]): Promise<Written[]> {
  const [first] = plans;
  if (first === undefined) return [];
  const { table } = first;
  const ids = plans.map(({ id }) => id);
  const rows = await session.rows(
    `DELETE FROM ${table.sql} AS t USING ${unnest(table.key.length)} WHERE ${keyJoin(table)}
     RETURNING ${returning(table)}`,
    keyParameters(table, ids),
  );
  return returned(table, plans, rows);
}

function returning(table: TableModel): string {
  return [...table.key.map((column) => `t.${quoteName(column)}`), table.hashSql('t')].join(', ');
}

/** @throws PayflowError DB_REFUSED (SUPPRESSED) when a row did not come back */
function returned(
  table: TableModel,
  plans: readonly RowPlan[],
  rows: readonly (readonly Text[])[],
): Written[] {
  const hashes = new Map<string, string>();
  for (const row of rows) {
    const id = centralId(table.key.map((_, index) => row[index] ?? ''));
    hashes.set(id, row[table.key.length] ?? '');
  }
  return plans.map((plan): Written => {
    const hash = hashes.get(plan.id);
    if (hash === undefined) {
      throw new PayflowError('DB_REFUSED', `a trigger of ${table.name} suppressed the row ${plan.id}`, {
        details: { sqlState: SUPPRESSED, table: table.name },
      });
    }
    return [plan, { table, id: plan.id, hash }];
  });
}
