/**
 * Whether what a till's column holds means what the centre's column holds. Where it does the till's value is left in
 * its own form: the app finds its rows by it. Pure.
 *
 *   the till holds                               | the centre has      | equal because
 *   ---------------------------------------------+---------------------+---------------------------------------
 *   what we would write                          | anything            | there is nothing better to write
 *   a value that goes up as the centre's text    | that text           | the meaning is the same
 *   more digits than the centre's type keeps     | the rounded value   | never: the till would go on with another one
 *   '' or NULL, with `empty: null`               | NULL                | so says the mapping
 *   JSON with other blanks, other order of names | jsonb               | jsonb keeps neither
 *   a time of day without seconds                | time                | PostgreSQL prints them
 *   a value that can't go up                     | anything            | never, but for the first line
 */
import { PayflowError } from '../errors.ts';
import { typeShape } from '../catalog/central-types.ts';
import type { CentralValue } from '../records/change-record.ts';
import type { SqliteValue } from '../records/unit-record.ts';
import { centralConverter } from './central-text.ts';
import { formatDecimal, parseDecimal, trimDecimal } from './decimal.ts';
import { sameJson } from './json-meaning.ts';
import type { LocalTarget } from './values.ts';

export interface Compared {
  /** In the till's column now. */
  readonly local: SqliteValue;
  /** At the centre; undefined for a value of the till that the centre has not answered. */
  readonly central: CentralValue | undefined;
  /** What would be written: what `localConverter` makes of `central`, or the till's own newer value. */
  readonly written: SqliteValue;
}

export type SameMeaning = (values: Compared) => boolean;

/** The comparison of one column, for many values; to the last digit that the till holds. */
export function meaningComparer(type: string, { options }: Pick<LocalTarget, 'options'>): SameMeaning {
  const fromTill = tillMeaning(unroundedType(type), options);
  const ofCentre = centralMeaning(type);
  const isJsonb = type === 'jsonb';
  const isOneForm = oneForm(type, options);
  return ({ local, central, written }) => {
    if (sameStored(local, written)) return true;
    if (isOneForm(local) && isOneForm(written)) return false;
    const here = fromTill(local);
    if (here === undefined) return false;
    const there = central === undefined ? fromTill(written) : ofCentre(central);
    if (here === null || there === null || there === undefined) return here === there;
    return here === there || (isJsonb && sameJson(here, there));
  };
}

/**
 * Whether a value has a form in which every meaning is written in one way, so that two such values that differ mean two
 * things: most that differ at all do, and conversions cost far more than this look.
 */
function oneForm(type: string, options: LocalTarget['options']): (value: SqliteValue) => boolean {
  const { family } = typeShape(type);
  const isPlain =
    options.format === undefined && options.charset === undefined && options.emptyIsNull !== true;
  if (family === 'integer' || family === 'numeric') return (value) => typeof value === 'bigint';
  if (isPlain && ANY_TEXT.test(type)) return (value) => typeof value === 'string';
  if (isPlain && family === 'timestamptz') return (value) => typeof value === 'string' && ISO_MS.test(value);
  return () => false;
}

/** Types whose texts are what they are; others of the family (time, inet) are written in more ways than one. */
const ANY_TEXT = /^(?:text|character varying(?:\(\d+\))?)$/;
const ISO_MS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** One text for all that means the same (jsonb aside); null for NULL, undefined where no meaning can be told. */
export type Meaning<Value> = (value: Value) => string | null | undefined;

/** Of what the centre says, which knows nothing of a till's forms. */
export function centralMeaning(type: string): Meaning<CentralValue> {
  const meaning = tillMeaning(type, {});
  return (value) => meaning(typeof value === 'boolean' ? String(value) : value);
}

/** Of what a till's column holds, as a column of this type would take it. */
export function tillMeaning(type: string, options: LocalTarget['options']): Meaning<SqliteValue> {
  const convert = centralConverter(type, options);
  const plain = plainForm(type);
  return (value) => {
    try {
      const text = convert(value);
      return text === null ? null : plain(text);
    } catch (error) {
      if (error instanceof RangeError || (error instanceof PayflowError && error.code === 'VALUE_UNFIT'))
        return undefined;
      throw error;
    }
  };
}

/** The type of the family that keeps every digit. */
function unroundedType(type: string): string {
  const { family } = typeShape(type);
  if (family === 'numeric') return 'numeric';
  if (family === 'float') return 'double precision';
  return family === 'timestamp' || family === 'timestamptz' ? type.replace(/\(\d+\)/, '') : type;
}

/** Of one storage class and value; untyped columns tell −0 and 0 apart. */
export function sameStored(a: SqliteValue, b: SqliteValue): boolean {
  return Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : Object.is(a, b);
}

/** What PostgreSQL reads and prints in more ways than one. */
function plainForm(type: string): (text: string) => string {
  if (/^time(?:\(\d\))? /.test(type)) return timeOfDay;
  const { family } = typeShape(type);
  if (family === 'numeric') return bareDecimal;
  return family === 'uuid' ? bareUuid : (text) => text;
}

/** With seconds, and without zeros at the end of their fraction. */
function timeOfDay(text: string): string {
  const match = /^(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d(?::\d\d)?)?$/i.exec(text.trim());
  if (match === null) return text;
  const [, minutes = '', seconds = '00', fraction = '', zone = ''] = match;
  const offset = zone.toUpperCase() === 'Z' ? '+00' : zone.replace(/:00$/, '');
  return `${minutes}:${seconds}.${fraction.padEnd(6, '0')}${offset}`;
}

/** Zeros behind say how many digits the column keeps, nothing of the value. */
function bareDecimal(text: string): string {
  const decimal = parseDecimal(text);
  return decimal === null ? text : formatDecimal(trimDecimal(decimal));
}

/** PostgreSQL reads uuids also in braces and without dashes. */
function bareUuid(text: string): string {
  return text.replaceAll(/[{}-]/g, '');
}

/** Two words for yes and no, as apps write them. */
const WORD_PAIRS: readonly (readonly [string, string])[] = [
  ['true', 'false'],
  ['t', 'f'],
  ['yes', 'no'],
  ['y', 'n'],
  ['on', 'off'],
];

/**
 * A new value in the form of the one it replaces, where no option of the mapping says the form: words for yes and no.
 * @param written what `localConverter` makes of the new value
 */
export function inFormOf(standing: SqliteValue, written: SqliteValue, type: string): SqliteValue {
  if (typeof standing !== 'string' || written === null || typeShape(type).family !== 'boolean')
    return written;
  const pair = WORD_PAIRS.find((words) => words.includes(standing.toLowerCase()));
  if (pair === undefined) return written;
  const word = pair[String(written) === '1' ? 0 : 1];
  if (standing === standing.toUpperCase()) return word.toUpperCase();
  return standing.charAt(0) === standing.charAt(0).toUpperCase()
    ? word.charAt(0).toUpperCase() + word.slice(1)
    : word;
}
