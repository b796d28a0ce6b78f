/**
 * Stored values become PostgreSQL's texts. Pure, and needs only the mapping, so that it can be done for the next
 * records while PostgreSQL still works on the last ones.
 */
import { setImmediate } from 'node:timers/promises';
import { PayflowError } from '../../shared/errors.ts';
import type { SqliteValue, Unit, UnitChange } from '../../shared/records/unit-record.ts';
import { isDecimal } from '../../shared/values/decimal.ts';
import { shownValue } from '../../shared/values/unfit.ts';
import { rowName, tillRow, type Converted, type Incoming, type IncomingUnit } from './change.ts';
import { changeHash } from './change-hash.ts';
import type { CentralModel, ColumnModel, TableModel } from './model.ts';
import type { Text } from './sql.ts';

/** Thrown inside this file only. */
class Unfit extends Error {}

/** The changes of a unit, in their order; remembered with the model for as long as the unit lives. */
export function convertUnit(model: CentralModel, unit: Unit): readonly Converted[] {
  const known = model.converted.get(unit);
  if (known !== undefined) return known;
  const converted = unit.changes.map((change) => convertChange(model, change));
  model.converted.set(unit, converted);
  return converted;
}

/** The changes of a unit as the stages want them. */
export function incomingChanges(model: CentralModel, from: IncomingUnit): Incoming[] {
  const converted = convertUnit(model, from.unit);
  return from.unit.changes.map((change, index): Incoming => {
    const table = model.byLocal.get(change.table) ?? null;
    return {
      from,
      change,
      table,
      tillRow: table === null ? '' : tillRow(from.terminal, table, rowName(change.row)),
      converted: converted[index] ?? convertChange(model, change),
    };
  });
}

/** Converts ahead of time, a unit at a turn: the statements of another group are waiting for this thread too. */
export async function convertAhead(model: CentralModel, units: Iterable<Unit>): Promise<void> {
  for (const unit of units) {
    await setImmediate();
    convertUnit(model, unit);
  }
}

function convertChange(model: CentralModel, change: UnitChange): Converted {
  const table = model.byLocal.get(change.table);
  const hash = changeHash(change);
  if (table === undefined) return { hash, texts: [], before: new Map() };
  try {
    return { hash, texts: newValues(table, change), before: beforeValues(table, change) };
  } catch (error) {
    if (error instanceof Unfit) return { hash, unfit: error.message };
    throw error;
  }
}

function newValues(table: TableModel, { columns }: UnitChange): Text[] {
  return columns.map((column) => {
    const model = table.byLocal.get(column.name);
    return model === undefined || model.parent !== null ? null : converted(table, model, column.new);
  });
}

/**
 * Old values: those that a decision needs, and of an update or delete all that can be compared, since they tell
 * whether somebody else had written meanwhile.
 */
function beforeValues(table: TableModel, { op, columns, others = [] }: UnitChange): Map<string, Text> {
  const before = new Map<string, Text>();
  for (const { name, old, seen } of others) {
    const model = table.byLocal.get(name);
    if (model === undefined || model.parent !== null || model.policy === 'delta' || seen === 'unknown')
      continue;
    const text = seen === undefined ? comparable(table, model, old) : seen.text;
    if (text !== undefined) before.set(model.central.name, text);
  }
  for (const column of columns) {
    const model = table.byLocal.get(column.name);
    if (model === undefined || model.parent !== null || column.seen === 'unknown') continue;
    if (column.seen !== undefined && model.policy !== 'delta') {
      before.set(model.central.name, column.seen.text);
      continue;
    }
    const needed = model.policy === 'delta' || model.policy === 'central-wins';
    if (!needed && op !== 'u' && op !== 'd') continue;
    const text = needed ? converted(table, model, column.old) : comparable(table, model, column.old);
    if (text !== undefined) before.set(model.central.name, text);
  }
  return before;
}

/** undefined: what stood there never was a value of the centre's. */
function comparable(table: TableModel, model: ColumnModel, value: SqliteValue): Text | undefined {
  try {
    return converted(table, model, value);
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
}

function converted(table: TableModel, model: ColumnModel, value: SqliteValue): Text {
  let text: Text;
  try {
    text = model.convert(value);
  } catch (error) {
    // A text too long for what the conversion needs is the till's, not ours.
    if (error instanceof PayflowError || error instanceof RangeError)
      throw new Unfit(`${table.local}.${model.local} ${error.message}`);
    throw error;
  }
  if (text === null) return null;
  if (text.includes('\0'))
    throw new Unfit(
      `${table.local}.${model.local} holds a zero character, which no text of the centre can; no option of the mapping takes it out`,
    );
  if (model.policy === 'delta' && !isDecimal(text)) {
    throw new Unfit(`${table.local}.${model.local} holds ${shownValue(text)}, which cannot be added up`);
  }
  return text;
}
