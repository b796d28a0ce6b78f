/**
 * An image is a central row as this till would store it: converted to local names and values, but with the
 * central ids of its parents, because which local key a parent has is known only when the row is written.
 * `base` and parked rows are kept as images, so that neither schema nor mapping of the record is needed again.
 */
import type { AvroReader } from '../../shared/records/avro-bytes.ts';
import type { CentralValue, Origin } from '../../shared/records/change-record.ts';
import {
  hasAfter,
  openChange,
  readHead,
  readValue,
  skipBefore,
  skipValue,
} from '../../shared/records/change-reader.ts';
import type { AvroForm } from '../../shared/records/change-schema.ts';
import type { CompiledSchema } from '../../shared/records/envelope.ts';
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

/** What a change record brings to the row of a till. */
export interface RowChange {
  /** null: the centre deleted the row. */
  readonly image: Image | null;
  readonly origins: readonly Origin[];
  /** µs since 1970; 0 of a tombstone. */
  readonly commitTimeUs: bigint;
}

const GONE: RowChange = { image: null, origins: [], commitTimeUs: 0n };
const SOFT_DELETE_COLUMNS: readonly string[] = ['deleted_at', 'is_deleted'];

/** Makes images of one table's records; how is worked out once per record schema. */
export class ImageReader {
  readonly #table: BoundTable;
  readonly #plans = new WeakMap<CompiledSchema, ImagePlan>();

  constructor(table: BoundTable) {
    this.#table = table;
  }

  /**
   * @param schema null for a tombstone
   * @throws PayflowError RECORD_MALFORMED
   */
  read(value: Buffer | null, schema: CompiledSchema | null): RowChange {
    if (value === null || schema === null) return GONE;
    const reader = openChange(value);
    const { origins, omitted, commitTimeUs } = readHead(reader);
    skipBefore(reader, schema);
    const image = hasAfter(reader) ? this.#image(reader, this.#plan(schema, omitted)) : null;
    reader.end();
    return { image, origins, commitTimeUs };
  }

  #image(reader: AvroReader, { set, steps, empty }: ImagePlan): Image | null {
    const values = empty.slice();
    let deleted = false;
    for (const step of steps) {
      if (step.take === 'skip') skipValue(reader, step.form);
      else {
        const value = readValue(reader, step.form);
        if (step.take === 'mark') deleted ||= isMarked(value);
        else values[step.at] = step.convert(value);
      }
    }
    return deleted ? null : { set, values };
  }

  #plan(schema: CompiledSchema, omitted: readonly string[]): ImagePlan {
    if (omitted.length > 0) return this.#makePlan(schema, omitted);
    let plan = this.#plans.get(schema);
    if (plan === undefined) {
      plan = this.#makePlan(schema, omitted);
      this.#plans.set(schema, plan);
    }
    return plan;
  }

  #makePlan({ columns: written, types }: CompiledSchema, omitted: readonly string[]): ImagePlan {
    const { columns: bound, softDeleteColumn, mapping } = this.#table;
    const columns = bound.filter(({ central }) => types.has(central) && !omitted.includes(central));
    // A soft-deleted row stays, marked; a till whose table has no column for the mark lets go of the row.
    const lacksMark = softDeleteColumn === null && (mapping.delete === 'auto' || mapping.delete === 'soft');
    const steps = written.map(({ name, type, form }): ImageStep => {
      const at = columns.findIndex(({ central }) => central === name);
      const column = columns[at];
      if (lacksMark && SOFT_DELETE_COLUMNS.includes(name)) return { take: 'mark', form };
      if (column === undefined) return { take: 'skip', form };
      return { take: 'value', form, at, convert: column.reference ? idText : localConverter(type, column) };
    });
    return { set: columnSet(columns), steps, empty: columns.map(() => null) };
  }
}

interface ImagePlan {
  readonly set: ColumnSet;
  /** One for each value of the record, in its order. */
  readonly steps: readonly ImageStep[];
  /** What an image's values are copied from. */
  readonly empty: readonly SqliteValue[];
}

type ImageStep =
  | { readonly take: 'skip'; readonly form: AvroForm }
  | { readonly take: 'mark'; readonly form: AvroForm }
  | {
      readonly take: 'value';
      readonly form: AvroForm;
      /** Index into the image's values. */
      readonly at: number;
      readonly convert: LocalConverter;
    };

/** What a reference column keeps of its parent. */
function idText(value: CentralValue): SqliteValue {
  return value === null ? null : String(value);
}

function isMarked(value: CentralValue): boolean {
  return value !== null && value !== false && value !== 0;
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
  if (typeof value === 'number') return Object.is(value, -0) ? 'r-0' : `r${value}`;
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
