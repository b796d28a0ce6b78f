/**
 * Values of every kind that the other shop keeps: what its app and its head office write, and how the two
 * sides are held against each other. PostgreSQL itself reads the till's text here, so that no conversion of
 * the engine takes part in the judgement.
 */
export type Stored = string | number | bigint | Buffer | null;

export interface Kind {
  /** What a till's app may write. */
  readonly till: readonly Stored[];
  /** What head office may write, as PostgreSQL's input text. */
  readonly centre: readonly (string | null)[];
  /** SQL: the till's text `p` in neutral form. */
  readonly ofTill: (p: string) => string;
  /** SQL: the central column `c` in neutral form. */
  readonly ofCentre: (c: string) => string;
}

const LONG = 'Größe 48 – „weiß“ 🧵 '.repeat(1500);
const TEXTS = [
  '',
  ' ',
  'plain',
  '007',
  '1e5',
  'NULL',
  'null',
  '{}',
  '\\x00',
  '\\N',
  `O'Neil "the" \\ back`,
  'line\r\nbreak\ttab',
  '👩🏽‍🚀 emoji 🎉',
  'e\u0301 \u202Ertl \uFEFFbom \uFFFD',
  '$1 %s {{x}} ${y}',
  'İstanbul ẞ ǆ',
  LONG,
];
const NUMBERS = [
  '0',
  '-0.000',
  '1',
  '12.5',
  '-99.995',
  '0.30000000000000004',
  '123456789012345678901234567890.123456789',
];
const SPECIAL = ['NaN', 'Infinity', '-Infinity'];

const as = (type: string) => ({
  ofTill: (p: string) => `(${p}::${type})::text`,
  ofCentre: (c: string) => `${c}::text`,
});
const instant = (read: (p: string) => string) => ({
  ofTill: (p: string) => `extract(epoch FROM ${read(p)})::text`,
  ofCentre: (c: string) => `extract(epoch FROM ${c})::text`,
});
const array = (type: string) => ({
  ofTill: (p: string) =>
    `CASE WHEN ${p} IS NOT NULL THEN (SELECT coalesce(array_agg(e ORDER BY n), '{}') FROM jsonb_array_elements_text(${p}::jsonb) WITH ORDINALITY j (e, n))::${type}[]::text END`,
  ofCentre: (c: string) => `${c}::text`,
});

export const KINDS = {
  text: { till: TEXTS, centre: TEXTS, ofTill: (p) => p, ofCentre: (c) => c },
  nullableText: { till: [null, ...TEXTS], centre: [null, ...TEXTS], ofTill: (p) => p, ofCentre: (c) => c },
  label: { till: TEXTS.slice(1), centre: TEXTS.slice(1), ofTill: (p) => p, ofCentre: (c) => c },
  boolean: {
    till: [0n, 1n],
    centre: ['t', 'f'],
    ofTill: (p) => `(${p}::int::boolean)::text`,
    ofCentre: (c) => `${c}::text`,
  },
  state: { till: ['new', 'In Use', 'gone;"x"'], centre: ['new', 'In Use', 'gone;"x"'], ...as('text') },
  cents: {
    till: [0n, 1n, -1n, 1999n, 30n, 99999999999999n],
    centre: ['0', '0.01', '-0.01', '19.99', '0.3', '999999999999.99'],
    ofTill: (p) => `trim_scale(${p}::numeric / 100)::text`,
    ofCentre: (c) => `trim_scale(${c})::text`,
  },
  whole: {
    till: [null, '0', '12', '12.5', '-12.5', '99999999999999999999', '-99999999999999999999'],
    centre: [null, '0', '7', '99999999999999999999', '-1'],
    ofTill: (p) => `${p}::numeric::text`,
    ofCentre: (c) => `${c}::text`,
  },
  numeric: {
    till: [null, ...NUMBERS, ...SPECIAL, '1e-30', '1E+30', '.5', '5.'],
    centre: [null, ...NUMBERS, ...SPECIAL, '1e-30', '1e100', `0.${'3'.repeat(300)}`],
    ofTill: (p) => `trim_scale(${p}::numeric)::text`,
    ofCentre: (c) => `trim_scale(${c})::text`,
  },
  double: {
    till: [
      null,
      0.1 + 0.2,
      -0,
      5e-324,
      1.7976931348623157e308,
      Infinity,
      -Infinity,
      'NaN',
      1 / 3,
      1e15,
      123456789.125,
      7n,
    ],
    centre: [
      null,
      '0.30000000000000004',
      '-0',
      '5e-324',
      '1.7976931348623157e308',
      'NaN',
      'Infinity',
      '-Infinity',
      '1e15',
      '42',
    ],
    ofTill: (p) => `(${p}::float8 + 0)::text`,
    ofCentre: (c) => `(${c} + 0)::text`,
  },
  single: {
    till: [null, 0.1, 0.5, 0.1 + 0.2, 16777217, 1e-40, 'NaN', Infinity],
    centre: [null, '0.1', '3.4028235e38', '1e-45', '16777216', '-0', 'Infinity'],
    ofTill: (p) => `(${p}::float8 + 0)::text`,
    ofCentre: (c) => `(${c}::text::float8 + 0)::text`,
  },
  bigint: {
    till: [null, 9223372036854775807n, -9223372036854775808n, 9007199254740993n, 0n],
    centre: [null, '9223372036854775807', '-9223372036854775808', '9007199254740993', '0'],
    ...as('bigint'),
  },
  smallint: { till: [null, 32767n, -32768n, 0n], centre: [null, '32767', '-32768'], ...as('smallint') },
  date: {
    till: [null, '2026-02-28', '0001-01-01', '9999-12-31', '0044-03-15 BC', 'infinity', '-infinity'],
    centre: [null, '2024-02-29', '4713-01-01 BC', '5874897-12-31', 'infinity', '-infinity', '0099-12-31'],
    ...as('date'),
  },
  time: {
    till: [null, '00:00', '23:59:59.999999', '24:00:00', '9:05'],
    centre: [null, '12:34:56.5', '24:00:00'],
    ...as('time'),
  },
  interval: {
    till: [null, 'P1DT2H', '1 year 2 mons -3 days', '00:00:00', '90 minutes'],
    centre: [null, '1 year 2 mons -3 days +04:05:06.7', '0', '-1 day'],
    ...as('interval'),
  },
  timestamp: {
    till: [
      null,
      '2026-03-29T01:30:00.123456Z',
      '2026-10-25 02:30:00',
      'infinity',
      '0044-03-15 12:00:00 BC',
      '1969-12-31T23:59:59.999Z',
    ],
    centre: [
      null,
      '2026-01-01 00:00:00.000001',
      '0001-01-01',
      '294276-12-31 23:59:59',
      '-infinity',
      '4713-01-01 BC',
    ],
    ...instant((p) => `${p}::timestamp`),
  },
  instant: {
    till: [
      null,
      '2026-03-29T01:30:00.123456Z',
      '2026-10-25T02:30:00+02:00',
      'Infinity',
      '0044-03-15 12:00:00+00 BC',
    ],
    centre: [
      null,
      '2026-01-01 00:00:00.000001+00',
      '2026-06-01 12:00+05:45',
      'infinity',
      '-infinity',
      '4713-01-01 BC',
      '294276-12-31',
    ],
    ...instant((p) => `${p}::timestamptz`),
  },
  epochMs: {
    till: [0n, -1n, 1767225600123n, 253402300799999n],
    centre: ['1970-01-01 00:00+00', '2026-01-01 12:00:00.999+00', '1969-12-31 23:59:59.999+00'],
    ...instant((p) => `to_timestamp(${p}::numeric / 1000)::timestamptz(3)`),
  },
  wall: {
    till: [null, '2026-07-01 12:00:00', '2026-01-01 00:00:00', '1950-05-05 05:05:05'],
    centre: [
      null,
      '2026-07-01 10:00:00+00',
      '2026-12-31 23:00:00+00',
      '2026-03-29 00:59:59+00',
      '2026-03-29 01:00:00+00',
    ],
    ...instant((p) => `(${p}::timestamp AT TIME ZONE 'Europe/Berlin')`),
  },
  day: {
    till: [null, '2026-07-01', '0001-01-01'],
    centre: [null, '2026-07-01 00:00', '2026-07-01 13:14:15.161718'],
    ofTill: (p) => `${p}::date::text`,
    ofCentre: (c) => `${c}::date::text`,
  },
  texts: {
    till: [
      null,
      '[]',
      '[null]',
      '["NULL","null",""," "]',
      '["a,b","{c}","\\"d\\"","\\\\e","👩🏽‍🚀","x\\ny"]',
      '["007","1.0","true"]',
    ],
    centre: [
      null,
      '{}',
      '{NULL}',
      '{"NULL",null,""}',
      `{"a,b","{c}","\\"d\\"","\\\\e",👩🏽‍🚀}`,
      '{a,b:c/d}',
      '{t,f,1}',
    ],
    ...array('text'),
  },
  integers: {
    till: [null, '[]', '[1, null, -2147483648]', '[0]'],
    centre: [null, '{}', '{1,NULL,2147483647}', '{0}'],
    ...array('integer'),
  },
  amounts: {
    till: [null, '[0.1, 1e3, -12.50]', '[123456789012345678901234567890.5]', '["NaN", null]'],
    centre: [null, '{0.10,12345678901234567890.5}', '{NaN,NULL}', '{}'],
    ofTill: (p) =>
      `(SELECT array_agg(trim_scale(e::numeric) ORDER BY n) FROM jsonb_array_elements_text(${p}::jsonb) WITH ORDINALITY j (e, n))::text`,
    ofCentre: (c) =>
      `(SELECT array_agg(trim_scale(e) ORDER BY n) FROM unnest(${c}) WITH ORDINALITY j (e, n))::text`,
  },
  bytes: {
    till: [null, Buffer.alloc(0), Buffer.from([0, 255, 10, 39]), Buffer.from('text'), Buffer.alloc(5000, 7)],
    centre: [null, '\\x', '\\x00ff0a27', `\\x${'ab'.repeat(3000)}`],
    ofTill: (p) => p,
    ofCentre: (c) => `encode(${c}, 'hex')`,
  },
  jsonb: {
    till: [
      null,
      'null',
      '{}',
      '[1, 2.50, "x"]',
      '{"b": 1, "a": {"é": [true, null]}, "__proto__": 1}',
      '12345678901234567890.10',
      '"text"',
      '{"a":1,"a":2}',
    ],
    centre: [null, 'null', '{"z": 1e2, "a": "\\u00e9 🎉"}', '[]', '9007199254740993', '"007"'],
    ...as('jsonb'),
  },
  json: {
    till: [null, '{"b":1,  "a":2}', '[ ]', '"x"', ' {"dup":1,"dup":2} '],
    centre: [null, '{"b": 1,   "a":2}', '1', ' [1] '],
    ofTill: (p) => p,
    ofCentre: (c) => `${c}::text`,
  },
  char: {
    till: [null, 'AB', 'ABCDE', '', '  x'],
    centre: [null, 'AB', 'ABCDE', '', ' y'],
    ofTill: (p) => `rtrim(${p})`,
    ofCentre: (c) => `rtrim(${c}::text)`,
  },
  point: {
    till: [null, '(1,2)', '1.50, -2', '(0.1,1e300)'],
    centre: [null, '(3,4)', '(0,-1)'],
    ...as('point'),
  },
  range: {
    till: [null, '[1,5]', 'empty', '(,3)'],
    centre: [null, '[2,7)', 'empty', '[1,)'],
    ...as('int4range'),
  },
  address: {
    till: [null, '10.0.0.1', '10.0.0.0/8', '::1', '2001:DB8::1'],
    centre: [null, '192.168.0.1/32', 'fe80::1'],
    ...as('inet'),
  },
  uuid: {
    till: [null, '00000000-0000-0000-0000-000000000001', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'],
    centre: [null, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'],
    ...as('uuid'),
  },
  count: { till: [0n, 1n, 2147483647n, -5n], centre: ['0', '3', '-2147483648'], ...as('integer') },
  price: {
    till: ['1'],
    centre: ['0.0001', '12.5', '99999999.9999', '0'],
    ofTill: (p) => `${p}::numeric::text`,
    ofCentre: (c) => `${c}::text`,
  },
  amount: {
    till: ['1.5', '-3', '0.30000000000000004', '1e-7'],
    centre: ['2', '-7.25', '123456789012345678.123456789'],
    ofTill: (p) => `trim_scale(${p}::numeric)::text`,
    ofCentre: (c) => `trim_scale(${c})::text`,
  },
  settings: { till: ['{}'], centre: ['{}', '{"a": [1, {"b": null}]}', '7'], ...as('jsonb') },
  epochS: {
    till: [0n, 1767225600n, -86400n],
    centre: ['2026-01-01 00:00:00+00', '1960-01-01 00:00:00+00'],
    ...instant((p) => `to_timestamp(${p}::bigint)`),
  },
  neverDate: {
    till: ['2019-12-31', '2020-01-01', '2026-05-05'],
    centre: ['2019-01-01', '2026-01-01'],
    ...as('date'),
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;

export function kindOf(name: KindName): Kind {
  return KINDS[name];
}
