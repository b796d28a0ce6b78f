import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import type { CentralValue } from '../../../services/shared/records/change-record.ts';
import { jsonToArray } from '../../../services/shared/values/array-text.ts';
import type { Affinity } from '../../../services/shared/catalog/local-catalog.ts';
import type { ColumnOptions } from '../../../services/shared/mapping/mapping.ts';
import { toCentralText, toLocalValue } from '../../../services/shared/values/values.ts';
import type { SqliteValue } from '../../../services/shared/records/unit-record.ts';

const VALUES_PER_TYPE = 400;

let postgres: RunningPostgres;
let client: pg.Client;

beforeAll(async () => {
  postgres = await startPostgres();
  client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(`SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET bytea_output = 'hex'`);
});

afterAll(async () => {
  await client?.end();
  await postgres?.stop();
});

/** What PostgreSQL makes of texts in a column of this type. */
async function throughPostgres(texts: readonly string[], type: string): Promise<string[]> {
  const { rows } = await client.query<{ text: string }>(
    `SELECT (CAST(v.value AS ${type}))::text AS text FROM unnest($1::text[]) WITH ORDINALITY AS v (value, place) ORDER BY place`,
    [texts],
  );
  return rows.map(({ text }) => text);
}

/** PostgreSQL's text as capture decodes it. */
function centralValue(text: string, type: string): CentralValue {
  if (type === 'boolean') return text === 'true';
  if (type === 'integer' || type === 'smallint' || type === 'real' || type === 'double precision')
    return Number(text);
  if (type === 'bigint') return BigInt(text);
  return type === 'bytea' ? Buffer.from(text.slice(2), 'hex') : text;
}

function decimals(precision: number, scale: number): fc.Arbitrary<string> {
  const limit = 10n ** BigInt(precision) - 1n;
  return fc.bigInt({ min: -limit, max: limit }).map((unscaled) => {
    const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
    const point = digits.length - scale;
    return `${unscaled < 0n ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`;
  });
}

function instants(minYear: number, maxYear: number): fc.Arbitrary<string> {
  const date = (year: number) => new Date(`${String(year).padStart(4, '0')}-01-01T00:00:00Z`);
  return fc
    .tuple(
      fc.date({ min: date(minYear), max: date(maxYear), noInvalidDate: true }),
      fc.integer({ min: 0, max: 999 }),
    )
    .map(([at, us]) => at.toISOString().replace('Z', `${String(us).padStart(3, '0')}+00`));
}

const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
const element = fc.oneof(text, fc.constantFrom('NULL', '', '{}', '"', '\\', ' a', 'a,b'));
const double = fc.oneof(
  fc.double().filter((value) => !Object.is(value, -0)),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(Number),
  fc.constantFrom(0.1, 1e15, 1e-5, 123456, Infinity, -Infinity, NaN),
);
const single = fc.float().filter((value) => !Object.is(value, -0));
const arrayOf = (elements: fc.Arbitrary<string | null>) =>
  fc
    .oneof(fc.array(elements), fc.array(fc.tuple(elements, elements), { minLength: 1 }))
    .map((value) => jsonToArray(JSON.stringify(value), 'text') ?? '');
const special = fc.constantFrom('NaN', 'Infinity', '-Infinity');
const infinity = fc.constantFrom('infinity', '-infinity');
const any = fc.oneof;

type Case = [type: string, affinity: Affinity, options: ColumnOptions, values: fc.Arbitrary<string>];
const CASES: Case[] = [
  ['boolean', 'INTEGER', {}, fc.boolean().map(String)],
  ['boolean', 'TEXT', {}, fc.boolean().map(String)],
  ['integer', 'INTEGER', {}, fc.maxSafeInteger().map((value) => String(value % 2 ** 31))],
  ['bigint', 'INTEGER', {}, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)],
  ['bigint', 'TEXT', {}, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)],
  ['numeric(12,2)', 'NUMERIC', {}, decimals(12, 2)],
  ['numeric(12,2)', 'REAL', {}, decimals(12, 2)],
  ['numeric(12,2)', 'INTEGER', { minorUnits: 2 }, decimals(12, 2)],
  ['numeric(18,4)', 'INTEGER', { minorUnits: 4 }, decimals(18, 4)],
  ['numeric(15,4)', 'NUMERIC', {}, decimals(15, 4)],
  ['numeric(15,4)', 'INTEGER', {}, decimals(15, 4)],
  ['numeric', 'TEXT', {}, any(decimals(60, 20), special)],
  ['numeric', 'BLOB', {}, any(decimals(60, 20).filter((value) => !value.endsWith('0')), special)],
  ['real', 'REAL', {}, single.map(String)],
  ['double precision', 'REAL', {}, double.map(String)],
  ['double precision', 'NUMERIC', {}, double.map(String)],
  ['double precision', 'TEXT', {}, double.map(String)],
  ['timestamp with time zone', 'TEXT', {}, any(instants(1, 9999), infinity)],
  ['timestamp with time zone', 'NUMERIC', {}, any(instants(1, 9999), infinity)],
  ['timestamp without time zone', 'TEXT', {}, instants(1, 9999)],
  ['timestamp(3) with time zone', 'INTEGER', { format: 'epoch_ms' }, instants(1, 9999)],
  ['timestamp(3) without time zone', 'TEXT', { format: 'epoch_ms' }, instants(1, 9999)],
  ['timestamp(0) with time zone', 'INTEGER', { format: 'epoch_s' }, instants(1, 9999)],
  ['timestamp with time zone', 'REAL', { format: 'epoch_s' }, instants(1950, 2200)],
  ['timestamp with time zone', 'REAL', { format: 'epoch_ms' }, instants(1950, 2200)],
  ['timestamp with time zone', 'TEXT', { format: 'local', zone: 'Asia/Kolkata' }, instants(1950, 2200)],
  ['date', 'TEXT', {}, any(instants(1, 9999), infinity)],
  ['date', 'INTEGER', { format: 'epoch_s' }, instants(1, 9999)],
  ['text', 'TEXT', {}, text],
  ['character varying(20)', 'BLOB', {}, fc.string({ maxLength: 9 }).filter((value) => !value.includes('\0'))],
  ['json', 'TEXT', {}, fc.json()],
  ['jsonb', 'TEXT', {}, fc.json({ stringUnit: 'grapheme-ascii' })],
  ['uuid', 'TEXT', {}, fc.uuid()],
  ['bytea', 'BLOB', {}, fc.uint8Array().map((value) => `\\x${Buffer.from(value).toString('hex')}`)],
  ['time without time zone', 'TEXT', {}, fc.constantFrom('12:34:56.5', '00:00:00')],
  ['interval', 'TEXT', {}, fc.constantFrom('1 day 02:03:04', '1 mon')],
  ['text[]', 'TEXT', {}, arrayOf(any(element, fc.constant(null)))],
  ['bigint[]', 'TEXT', {}, arrayOf(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String))],
  ['numeric[]', 'TEXT', {}, arrayOf(any(decimals(30, 10), special, fc.constant(null)))],
  ['double precision[]', 'TEXT', {}, arrayOf(double.map(String))],
  ['boolean[]', 'TEXT', {}, arrayOf(fc.boolean().map(String))],
  ['jsonb[]', 'TEXT', {}, arrayOf(fc.constantFrom('{"a": [1]}', '[1]', '"x"', '1', null))],
  ['timestamp with time zone[]', 'TEXT', {}, arrayOf(instants(1970, 2100))],
  ['bytea[]', 'TEXT', {}, arrayOf(fc.constantFrom('\\x00ff', '\\x'))],
]; // prettier-ignore

test.each(CASES)(
  '%s through a %s column (%j) comes back the same',
  async (type, affinity, options, values) => {
    const seed = Date.now();
    const given = await throughPostgres(fc.sample(values, { numRuns: VALUES_PER_TYPE, seed }), type);
    const back = given.map((value) => {
      const local = toLocalValue(centralValue(value, type), { type }, { affinity, options });
      return toCentralText(local, { type }, options);
    });
    expect(back, `seed ${seed}`).toEqual(given);
  },
);

type Upward = [type: string, options: ColumnOptions, values: fc.Arbitrary<SqliteValue>];
const money = fc.double({ min: -1e9, max: 1e9, noNaN: true });
const sqliteTime = fc.date({ min: new Date('1970-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
const UPWARD: Upward[] = [
  ['numeric(12,2)', {}, fc.oneof(money, fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n }), money.map(String))],
  ['numeric(14,3)', {}, money],
  ['numeric(12,2)', { minorUnits: 2 }, fc.bigInt({ min: -(10n ** 11n), max: 10n ** 11n })],
  ['integer', {}, fc.integer().map((value) => `${value}.0`)],
  ['boolean', {}, fc.constantFrom<SqliteValue>(0n, 1n, 'true', 'F', '0', 1)],
  ['double precision', {}, fc.oneof<fc.Arbitrary<SqliteValue>[]>(double, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }))],
  ['timestamp with time zone', {}, sqliteTime.map((at) => at.toISOString().replace('T', ' ').slice(0, 19))],
  ['timestamp with time zone', { format: 'epoch_s' }, fc.double({ min: 0, max: 4e9, noNaN: true })],
  ['timestamp(2) without time zone', {}, sqliteTime.map((at) => at.toISOString())],
  ['date', {}, sqliteTime.map((at) => at.toISOString())],
]; // prettier-ignore

test.each(UPWARD)(
  "a till's %s (%j) has the text that PostgreSQL shows once it is stored",
  async (type, options, values) => {
    const seed = Date.now();
    const texts = fc
      .sample(values, { numRuns: VALUES_PER_TYPE, seed })
      .map((value) => toCentralText(value, { type }, options) ?? '');
    expect(await throughPostgres(texts, type), `seed ${seed}`).toEqual(texts);
  },
);
