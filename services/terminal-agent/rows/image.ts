/**
 * An image is a central row as this till would store it: converted to local names and values, but with the
 * central ids of its parents, because which local key a parent has is known only when the row is written.
 * `base` and parked rows are kept as images, so that neither schema nor mapping of the record is needed again.
 */
import { PayflowError } from '../../shared/errors.ts';
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
import {
  localConverter,
  storedWriter,
  toLocalValue,
  type LocalConverter,
} from '../../shared/values/values.ts';

/** Some columns of a table, in a fixed order; `key` tells two sets apart, for statement caches. */
export interface ColumnSet {
  readonly columns: readonly BoundColumn[];
  readonly key: string;
}

export interface Image {
  readonly set: ColumnSet;
  /** In the set's order. A reference column holds the parent's central id as text. */
  readonly values: readonly SqliteValue[];
  /** What the centre says itself, where that is known. */
  readonly central?: CentralSide | undefined;
  /** Local columns that are as they were: the centre leaves out what is large and did not change. */
  readonly omitted?: readonly string[] | undefined;
  /** Why this till can't hold the row as the centre has it: it waits until the mapping, or the row, is another. */
  readonly unfit?: string | undefined;
}

/** In the order of the image's columns. */
export interface CentralSide {
  /** As `format_type` prints them; null: an earlier version kept what it would have written here, and no more. */
  readonly types: readonly (string | null)[];
  readonly values: readonly CentralValue[];
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

  #image(reader: AvroReader, { set, steps, empty, types, omitted }: ImagePlan): Image | null {
    const values: SqliteValue[] = empty.slice();
    const said: CentralValue[] = empty.slice();
    let deleted = false;
    let unfit: string | undefined;
    for (const step of steps) {
      if (step.take === 'skip') skipValue(reader, step.form);
      else {
        const value = readValue(reader, step.form);
        if (step.take === 'mark') deleted ||= isMarked(value);
        else {
          said[step.at] = value;
          const converted = fitted(step.convert, value);
          if (converted instanceof PayflowError) unfit ??= unfitText(set.columns[step.at], converted);
          else values[step.at] = converted;
        }
      }
    }
    return deleted ? null : { set, values, central: { types, values: said }, omitted, unfit };
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
    const isOmitted = (central: string) => omitted.includes(types.nameOf(central));
    const columns = bound.filter(({ central }) => types.has(central) && !isOmitted(central));
    // A soft-deleted row stays, marked; a till whose table has no column for the mark lets go of the row.
    const lacksMark = softDeleteColumn === null && (mapping.delete === 'auto' || mapping.delete === 'soft');
    const steps = written.map(({ name, type, form }): ImageStep => {
      const at = columns.findIndex(({ central }) => types.nameOf(central) === name);
      const column = columns[at];
      if (lacksMark && SOFT_DELETE_COLUMNS.includes(name)) return { take: 'mark', form };
      if (column === undefined) return { take: 'skip', form };
      return { take: 'value', form, at, convert: column.reference ? idText : localConverter(type, column) };
    });
    const ofColumn = columns.map(({ central }) => types.get(central) ?? '');
    const left = bound.filter(({ central }) => isOmitted(central)).map(({ local }) => local);
    const plan = { set: columnSet(columns), steps, empty: columns.map(() => null), types: ofColumn };
    return left.length === 0 ? plan : { ...plan, omitted: left };
  }
}

interface ImagePlan {
  readonly set: ColumnSet;
  /** One for each value of the record, in its order. */
  readonly steps: readonly ImageStep[];
  /** What an image's values are copied from. */
  readonly empty: readonly null[];
  readonly types: readonly string[];
  /** Local columns of the table that such records leave out. */
  readonly omitted?: readonly string[] | undefined;
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

/**
 * In kept images: [local column, its type at the centre, what the centre says]; without a type the local value. OMITTED
 * stands for the type of a column that is as it was.
 */
type KeptColumn = readonly [local: string, type: string | null, value: string | null];

const OMITTED = '…';

/**
 * Text for `base` and `sync_parked.record`: what the centre said, so that a mapping that is mended meanwhile counts;
 * `null` for a row that the centre deleted.
 */
export function encodeImage(image: Image | null): string {
  if (image === null) return 'null';
  const { set, values, central, omitted = [] } = image;
  const kept = set.columns.map(({ local }, at): KeptColumn => {
    const type = central?.types[at] ?? null;
    const value =
      type === null ? encodeValue(values[at] ?? null) : encodeCentral(central?.values[at] ?? null);
    return [local, type, value];
  });
  return JSON.stringify([...kept, ...omitted.map((local): KeptColumn => [local, OMITTED, null])]);
}

/**
 * Columns that the table no longer has are dropped.
 * @param only local columns that are wanted; without it all
 */
export function decodeImage(
  table: BoundTable,
  text: string,
  only?: { has(local: string): boolean },
): Image | null {
  const kept = JSON.parse(text) as readonly KeptColumn[] | Record<string, string | null> | null;
  if (kept === null) return null;
  const columns = isList(kept) ? kept : earlierColumns(kept);
  return decodeKept(table, only === undefined ? columns : columns.filter(([local]) => only.has(local)));
}

function isList(kept: readonly KeptColumn[] | Record<string, unknown>): kept is readonly KeptColumn[] {
  return Array.isArray(kept);
}

function earlierColumns(kept: Readonly<Record<string, string | null>>): KeptColumn[] {
  return Object.entries(kept).map(([local, value]) => [local, null, value]);
}

function decodeKept(table: BoundTable, all: readonly KeptColumn[]): Image {
  const kept = all.filter(([, type]) => type !== OMITTED);
  const left = all.flatMap(([local, type]) => (type === OMITTED ? [local] : []));
  const byLocal = new Map(kept.map((column) => [column[0], column]));
  const columns = table.columns.filter(({ local }) => byLocal.has(local));
  const types = columns.map(({ local }) => byLocal.get(local)?.[1] ?? null);
  const said = columns.map(({ local }) => decodeCentral(byLocal.get(local)?.[2] ?? null));
  let unfit: string | undefined;
  const values = columns.map((column, at) => {
    const value = said[at] ?? null;
    if (column.reference !== null) return idText(value);
    const converted = fitted(converterOf(column, types[at] ?? null), value);
    if (!(converted instanceof PayflowError)) return converted;
    unfit ??= unfitText(column, converted);
    return null;
  });
  const omitted = left.length === 0 ? undefined : left;
  return { set: columnSet(columns), values, central: { types, values: said }, omitted, unfit };
}

function converterOf(column: BoundColumn, type: string | null): LocalConverter {
  if (type !== null) return (value) => toLocalValue(value, { type }, column);
  const written = storedWriter(column);
  return (value) => written(typeof value === 'boolean' ? BigInt(value) : value);
}

/** A value that the till's column can't hold, or why. */
function fitted(convert: LocalConverter, value: CentralValue): SqliteValue | PayflowError {
  try {
    return convert(value);
  } catch (error) {
    if (error instanceof PayflowError && error.code === 'VALUE_UNFIT') return error;
    throw error;
  }
}

function unfitText(column: BoundColumn | undefined, { message }: PayflowError): string {
  return `${column?.local ?? ''}: ${message}`;
}

function encodeCentral(value: CentralValue): string | null {
  return typeof value === 'boolean' ? (value ? 'o1' : 'o0') : encodeValue(value);
}

function decodeCentral(text: string | null): CentralValue {
  return text?.startsWith('o') === true ? text === 'o1' : decodeValue(text);
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
  const missing = before.set.columns.flatMap(({ local }, at) =>
    image.omitted?.includes(local) === true ? [at] : [],
  );
  if (missing.length === 0) return image;
  const added = <Value>(of: readonly Value[]) => missing.flatMap((at) => of.slice(at, at + 1));
  const sideOf = (of: Image): CentralSide =>
    of.central ?? { types: of.values.map(() => null), values: of.values };
  const [side, known] = [sideOf(image), sideOf(before)];
  return {
    set: columnSet([...image.set.columns, ...added(before.set.columns)]),
    values: [...image.values, ...added(before.values)],
    central: {
      types: [...side.types, ...added(known.types)],
      values: [...side.values, ...added(known.values)],
    },
    unfit: image.unfit,
  };
}
