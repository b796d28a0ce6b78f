/**
 * An image is a central row as this till would store it: converted to local names and values, but with the
 * central ids of its parents, because which local key a parent has is known only when the row is written.
 * `base` and parked rows are kept as images, so that neither schema nor mapping of the record is needed again.
 */
import type { CentralRow } from '../../shared/records/change-record.ts';
import type { BoundColumn, BoundTable } from '../../shared/catalog/table-binding.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { localConverter, type LocalConverter } from '../../shared/values/values.ts';

/** Some columns of a table, in a fixed order; `key` tells two sets apart, for statement caches. */
export interface ColumnSet {
  readonly columns: readonly BoundColumn[];
  readonly key: string;
}

export interface Image {
  readonly set: ColumnSet;
  /** In the set's order. A reference column holds the parent's central id as text. */
  readonly values: readonly SqliteValue[];
}

export function columnSet(columns: readonly BoundColumn[]): ColumnSet {
  return { columns, key: columns.map((column) => column.local).join('\u0000') };
}

/** Makes images of one table's records; the column sets are made once per record schema. */
export class ImageReader {
  readonly #table: BoundTable;
  readonly #plans = new WeakMap<ReadonlyMap<string, string>, ImagePlan>();

  constructor(table: BoundTable) {
    this.#table = table;
  }

  read(row: CentralRow, types: ReadonlyMap<string, string>, omitted: readonly string[]): Image {
    const plan = omitted.length === 0 ? this.#plan(types) : this.#makePlan(types, omitted);
    const { columns } = plan.set;
    const values = new Array<SqliteValue>(columns.length);
    for (let i = 0; i < columns.length; i += 1) {
      const column = columns[i] as BoundColumn;
      const value = row[column.central] ?? null;
      if (value === null) values[i] = null;
      else if (column.reference !== null) values[i] = String(value);
      else values[i] = (plan.converters[i] as LocalConverter)(value);
    }
    return { set: plan.set, values };
  }

  #plan(types: ReadonlyMap<string, string>): ImagePlan {
    let plan = this.#plans.get(types);
    if (plan === undefined) {
      plan = this.#makePlan(types, []);
      this.#plans.set(types, plan);
    }
    return plan;
  }

  #makePlan(types: ReadonlyMap<string, string>, omitted: readonly string[]): ImagePlan {
    const columns = this.#table.columns.filter(
      (column) => types.has(column.central) && !omitted.includes(column.central),
    );
    const converters = columns.map((column) => localConverter(types.get(column.central) ?? '', column));
    return { set: columnSet(columns), converters };
  }
}

interface ImagePlan {
  readonly set: ColumnSet;
  readonly converters: readonly LocalConverter[];
}

/** Text for `base` and `sync_parked.record`: JSON of tagged values, `null` for a row that the centre deleted. */
export function encodeImage(image: Image | null): string {
  if (image === null) return 'null';
  const fields: Record<string, string | null> = {};
  image.set.columns.forEach((column, i) => (fields[column.local] = encodeValue(image.values[i] ?? null)));
  return JSON.stringify(fields);
}

/** Columns that the table no longer has are dropped. */
export function decodeImage(table: BoundTable, text: string): Image | null {
  const fields = JSON.parse(text) as Record<string, string | null> | null;
  if (fields === null) return null;
  const columns = table.columns.filter((column) => Object.hasOwn(fields, column.local));
  return {
    set: columnSet(columns),
    values: columns.map((column) => decodeValue(fields[column.local] ?? null)),
  };
}

/** The image's value of a local column; undefined where the image lacks the column. */
export function imageValue(image: Image, local: string): SqliteValue | undefined {
  const at = image.set.columns.findIndex((column) => column.local === local);
  return at < 0 ? undefined : image.values[at];
}

/** One letter says the storage class, so that nothing is lost between INTEGER, REAL and TEXT. */
export function encodeValue(value: SqliteValue): string | null {
  if (value === null) return null;
  if (typeof value === 'bigint') return `i${value}`;
  if (typeof value === 'number') return `r${value}`;
  if (typeof value === 'string') return `t${value}`;
  return `b${value.toString('hex')}`;
}

export function decodeValue(text: string | null): SqliteValue {
  if (text === null) return null;
  const rest = text.slice(1);
  if (text.startsWith('i')) return BigInt(rest);
  if (text.startsWith('r')) return Number(rest);
  return text.startsWith('b') ? Buffer.from(rest, 'hex') : rest;
}

/** An image in which columns were omitted, completed from the one before. */
export function completedImage(image: Image, before: Image): Image {
  const missing = before.set.columns.filter((column) => imageValue(image, column.local) === undefined);
  if (missing.length === 0) return image;
  const added = missing.map((column) => imageValue(before, column.local) ?? null);
  return { set: columnSet([...image.set.columns, ...missing]), values: [...image.values, ...added] };
}
