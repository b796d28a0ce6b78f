/**
 * In which form a till keeps the values of a central column: cents, times, empty texts, an old character set. Where
 * rows are known to be the same on both sides their values decide; else what the values look like by themselves. Pure.
 *
 *   central type   | forms that are tried
 *   ---------------+-------------------------------------------------------------------------------------
 *   numeric, float | as it is; minor units of the column's own scale, of 2, of 3
 *   timestamps     | iso, sqlite, epoch_s, epoch_ms, julian, date, and local time of each zone that fits
 *   date           | date, epoch_s, epoch_ms, julian
 *   texts          | UTF-8; the usual one-byte character sets where the till has texts that are none
 *   any            | the same with `empty: null`, where the till has empty texts
 */
import type { CentralColumn } from './central-catalog.ts';
import { typeShape, type TypeFamily } from './central-types.ts';
import type { LocalColumn } from './local-catalog.ts';
import { PayflowError } from '../errors.ts';
import type { ColumnFormat, ColumnOptions } from '../mapping/mapping.ts';
import type { SqliteValue } from '../records/unit-record.ts';
import { centralConverter } from '../values/central-text.ts';
import type { Charset } from '../values/charset.ts';
import { fittingZones } from './fitting-zones.ts';
import { parseTimestamp, US_PER_SECOND } from '../values/timestamps.ts';

/** One row's value on both sides, the centre's as `column::text` shows it. */
export interface ValuePair {
  readonly local: SqliteValue;
  readonly central: string | null;
}

export interface Agreement {
  readonly options: ColumnOptions;
  readonly agree: number;
  /** Pairs in which at least one side has a value. */
  readonly compared: number;
}

export interface FormColumns {
  readonly local: LocalColumn;
  readonly central: CentralColumn;
}

/** @returns how many of the pairs say the same in this form */
export function agreement(
  central: { readonly type: string },
  options: ColumnOptions,
  pairs: readonly ValuePair[],
): Agreement {
  const convert = centralConverter(central.type, options);
  const { family } = typeShape(central.type);
  const told = pairs.filter(({ local, central: value }) => local !== null || value !== null);
  const agree = told.filter(({ local, central: value }) => {
    const converted = convertedOrMisfit(convert, local);
    return converted === value || (typeof converted === 'string' && isSame(family, converted, value));
  }).length;
  return { options, agree, compared: told.length };
}

const MISFIT = Symbol('no value of that type');

function convertedOrMisfit(
  convert: (value: SqliteValue) => string | null,
  value: SqliteValue,
): string | null | typeof MISFIT {
  try {
    return convert(value);
  } catch (error) {
    if (error instanceof PayflowError && error.code === 'VALUE_UNFIT') return MISFIT;
    throw error;
  }
}

/** Forms that keep less than the centre are the same form for all that. */
function isSame(family: TypeFamily, ours: string, central: string | null): boolean {
  if (central === null) return false;
  if (family === 'timestamp' || family === 'timestamptz') {
    const [a, b] = [parseTimestamp(ours), parseTimestamp(central)];
    return a !== null && b !== null && (a - b < 0n ? b - a : a - b) < US_PER_SECOND;
  }
  if (family === 'json' || family === 'array') return sameJson(ours, central);
  return family === 'char' && ours.trimEnd() === central.trimEnd();
}

function sameJson(a: string, b: string): boolean {
  try {
    return JSON.stringify(sorted(JSON.parse(a))) === JSON.stringify(sorted(JSON.parse(b)));
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value as Record<string, unknown>);
  return Object.fromEntries(
    entries.sort(([a], [b]) => a.localeCompare(b)).map(([key, part]) => [key, sorted(part)]),
  );
}

/** @returns the form in which most pairs agree; of equal ones the plainest */
export function bestForm({ local, central }: FormColumns, pairs: readonly ValuePair[]): Agreement {
  const values = pairs.map((pair) => pair.local);
  const forms = candidates(local, central, values, pairs);
  const tried = forms.map((options) => agreement(central, options, pairs));
  return tried.reduce((best, next) => (next.agree > best.agree ? next : best));
}

function candidates(
  local: LocalColumn,
  central: CentralColumn,
  values: readonly SqliteValue[],
  pairs: readonly ValuePair[],
): readonly [ColumnOptions, ...ColumnOptions[]] {
  const [first, ...others] = plainCandidates(local, central, values, pairs);
  if (!values.includes('')) return [first, ...others];
  const emptied = [first, ...others].map((options) => ({ ...options, emptyIsNull: true as const }));
  return [first, ...others, ...emptied];
}

function plainCandidates(
  local: LocalColumn,
  central: CentralColumn,
  values: readonly SqliteValue[],
  pairs: readonly ValuePair[],
): readonly [ColumnOptions, ...ColumnOptions[]] {
  const { family, scale } = typeShape(central.type);
  switch (family) {
    case 'numeric':
    case 'float': {
      const units = [...new Set([scale ?? 2, 2, 3])].filter((unit) => unit > 0 && unit <= 9);
      return [{}, ...units.map((minorUnits) => ({ minorUnits }))];
    }
    case 'timestamp':
    case 'timestamptz': {
      const first = timeForm(values, local, central);
      const others = (['epoch_s', 'epoch_ms', 'julian'] as const).map((format) => ({ format }));
      const zones = family === 'timestamptz' ? fittingZones(pairs) : [];
      return [first, ...others, ...zones.map((zone) => ({ format: 'local' as const, zone }))];
    }
    case 'date':
      return [
        timeForm(values, local, central),
        { format: 'date' },
        { format: 'epoch_s' },
        { format: 'epoch_ms' },
      ];
    case 'text':
    case 'char':
      return values.some((value) => Buffer.isBuffer(value))
        ? [{}, ...CHARSETS_TRIED.map((charset) => ({ charset }))]
        : [{}];
    case 'integer':
    case 'boolean':
    case 'bytes':
    case 'uuid':
    case 'json':
    case 'array':
      return [{}];
  }
}

const CHARSETS_TRIED: readonly Charset[] = ['windows-1252', 'windows-1250', 'windows-1251', 'ibm866'];

/** 1 January 1990 to 2100, in seconds: prices and counts lie lower, milliseconds higher. */
const FROM_S = 631_152_000;
const TO_S = 4_102_444_800;
/** The same in days since 4714 BC. */
const FROM_JULIAN = 2_447_892;
const TO_JULIAN = 2_488_070;
const DATE = /^\d{4}-\d\d-\d\d$/;
const WALL_CLOCK = /^\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?$/;

/** By what the values look like; without any by what both columns can hold. */
export function timeForm(
  values: readonly SqliteValue[],
  local: LocalColumn,
  central: { readonly type: string },
): ColumnOptions {
  const { family } = typeShape(central.type);
  const told = values.filter((value) => value !== null && value !== '');
  const format = told.length === 0 ? formatByType(local, central) : formatByLook(told);
  if (family === 'date') return format === null ? { format: 'date' } : { format };
  return format === null ? {} : { format };
}

function formatByLook(values: readonly SqliteValue[]): ColumnFormat | null {
  const most = (test: (value: SqliteValue) => boolean) => 2 * values.filter(test).length > values.length;
  const between = (from: number, to: number) => (value: SqliteValue) =>
    isNumber(value) && Number(value) >= from && Number(value) < to;
  if (most(between(FROM_S, TO_S))) return 'epoch_s';
  if (most(between(FROM_S * 1000, TO_S * 1000))) return 'epoch_ms';
  if (most(between(FROM_JULIAN, TO_JULIAN))) return 'julian';
  const texts = (form: RegExp) => (value: SqliteValue) => typeof value === 'string' && form.test(value);
  if (most(texts(DATE))) return 'date';
  return most(texts(WALL_CLOCK)) ? 'sqlite' : null;
}

function isNumber(value: SqliteValue): boolean {
  return (
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    (typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value))
  );
}

function formatByType(local: LocalColumn, central: { readonly type: string }): ColumnFormat | null {
  const { secondDigits, family } = typeShape(central.type);
  if (local.affinity === 'INTEGER') return secondDigits === 0 && family !== 'date' ? 'epoch_s' : 'epoch_ms';
  return local.affinity === 'REAL' ? 'julian' : null;
}

/** As the mapping writes it; empty for none. */
export function formWords({ format, zone, minorUnits, emptyIsNull, charset }: ColumnOptions): string {
  const said = {
    ...(format !== undefined && { format }),
    ...(zone !== undefined && { zone }),
    ...(minorUnits !== undefined && { minor_units: minorUnits }),
    ...(emptyIsNull === true && { empty: 'null' }),
    ...(charset !== undefined && { charset }),
  };
  return Object.entries(said)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ');
}
