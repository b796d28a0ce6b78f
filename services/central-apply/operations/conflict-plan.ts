/**
 * What resolving a conflict by hand comes to. Pure.
 *
 *   take        row is there                            row is gone
 *   central     the till's columns as they stood        inserted again as it stood
 *               (a delete: its mark is taken away)
 *   terminal    the columns as the till wanted them     a delete: nothing to do
 *               (a delete: marked, or deleted)          else as it stood, with the till's columns
 *   values      the columns that are given              CONFLICT: bring it back first
 *
 * Never the key, never a delta column (it is the sum of what everyone did), never what no till may write.
 */
import { createHash } from 'node:crypto';
import { PayflowError } from '../../shared/errors.ts';
import type { ResolveArguments } from '../../shared/operations.ts';
import type { RowWrites } from '../rows/standing.ts';
import type { TableModel } from '../rows/model.ts';
import { sameValue } from '../rows/same-value.ts';
import type { Text } from '../rows/sql.ts';

export type Values = ReadonlyMap<string, Text>;

export interface ConflictFacts {
  readonly table: TableModel;
  /** As it stood when the conflict was decided; null: there was no row. */
  readonly centralRow: Values | null;
  /** What the till wanted, by central column; empty for a delete. */
  readonly terminalRow: Values;
  /** As it stands now; null: it is gone. */
  readonly standing: Values | null;
}

export interface Resolution {
  /** null: it stands like that already. */
  readonly writes: RowWrites | null;
  readonly leftAlone: readonly string[];
}

/** @throws PayflowError CONFLICT, VALIDATION */
export function planResolution(
  facts: ConflictFacts,
  wanted: Pick<ResolveArguments, 'take' | 'values'>,
  nowText: string,
): Resolution {
  const { table, centralRow, terminalRow, standing } = facts;
  const wasDelete = terminalRow.size === 0;
  const delta = (column: string) => table.byCentral.get(column)?.policy === 'delta';
  const isKey = (column: string) => table.key.includes(column);
  const leftAlone = [...terminalRow.keys()].filter(delta);
  const ofTill = [...terminalRow].filter(
    ([column]) => !delta(column) && !isKey(column) && column !== table.timestampColumn,
  );
  const update = (values: readonly (readonly [string, Text])[]): Resolution => ({
    writes: changed(table, standing ?? new Map(), values, nowText),
    leftAlone,
  });
  const insert = (values: readonly (readonly [string, Text])[]): Resolution => {
    if (centralRow === null) throw gone(table);
    return {
      writes: { insert: new Map([...centralRow, ...values]), update: null, delete: false },
      leftAlone,
    };
  };
  switch (wanted.take) {
    case 'values': {
      if (standing === null) throw gone(table);
      return { ...update(given(table, wanted.values ?? {})), leftAlone: [] };
    }
    case 'central': {
      if (standing === null) return insert([]);
      if (wasDelete) return update(table.soft === null ? [] : [[table.soft.column, table.soft.unmarked]]);
      return update(ofTill.map(([column]) => [column, centralRow?.get(column) ?? null] as const));
    }
    case 'terminal': {
      if (standing === null) return wasDelete ? { writes: null, leftAlone } : insert(ofTill);
      if (!wasDelete) return update(ofTill);
      if (table.soft !== null) return update([[table.soft.column, table.soft.mark(Date.parse(nowText))]]);
      return { writes: { insert: null, update: null, delete: true }, leftAlone };
    }
  }
}

/** Stock moves and times of change all day; nobody decides a conflict by them. */
function counts(table: TableModel, column: string): boolean {
  return column !== table.timestampColumn && table.byCentral.get(column)?.policy !== 'delta';
}

/** Columns that are not any more what they were. Those that the decision did not know of say nothing. */
export function changedSince(table: TableModel, before: Values | null, now: Values): string[] {
  return [...now].flatMap(([column, value]) => {
    if (!counts(table, column)) return [];
    const model = table.central.get(column);
    if (before === null) return [column];
    if (!before.has(column) || model === undefined) return [];
    return sameValue(model, before.get(column) ?? null, value) ? [] : [column];
  });
}

/** Names a row as it stands, so that an operator can say which one was seen. */
export function standingName(table: TableModel, row: Values): string {
  const values = [...row].filter(([column]) => counts(table, column)).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 32);
}

function gone(table: TableModel): PayflowError {
  return new PayflowError('CONFLICT', `the row of ${table.name} is gone: --take central brings it back`);
}

/** Only what differs; with it goes the timestamp, as for any write of head office. */
function changed(
  table: TableModel,
  standing: Values,
  values: readonly (readonly [string, Text])[],
  nowText: string,
): RowWrites | null {
  const set = new Map(
    values.filter(([column, value]) => {
      const model = table.central.get(column);
      const stands = standing.get(column) ?? null;
      return model === undefined ? stands !== value : !sameValue(model, stands, value);
    }),
  );
  if (set.size === 0) return null;
  const { timestampColumn } = table;
  if (timestampColumn !== null && !set.has(timestampColumn)) set.set(timestampColumn, nowText);
  return { insert: null, update: { set, add: new Map() }, delete: false };
}

function given(table: TableModel, values: Readonly<Record<string, string | null>>): [string, Text][] {
  const entries = Object.entries(values);
  if (entries.length === 0) throw invalid('--take values needs at least one value');
  return entries.map(([name, value]) => {
    const model = table.byCentral.get(name) ?? table.byLocal.get(name);
    if (model === undefined) throw invalid(`${table.name} has no mapped column ${name}`);
    const column = model.central.name;
    if (table.key.includes(column)) throw invalid(`${column} is part of the key of ${table.name}`);
    if (model.policy === 'delta') {
      throw invalid(`${column} is a sum of what everyone did: it can't be set, only added to`);
    }
    return [column, value];
  });
}

function invalid(message: string): PayflowError {
  return new PayflowError('VALIDATION', message, { details: { field: 'values' } });
}
