/** What kind of thing a PostgreSQL type is, by its name as `format_type` prints it. */
export type TypeFamily =
  | 'boolean'
  | 'integer'
  | 'numeric'
  | 'float'
  | 'timestamp'
  | 'timestamptz'
  | 'date'
  | 'json'
  | 'bytes'
  | 'array'
  | 'uuid'
  /** char(n), padded with blanks that mean nothing. */
  | 'char'
  | 'text';

export interface TypeShape {
  readonly family: TypeFamily;
  /** Of numeric(p,s), else null. */
  readonly precision: number | null;
  readonly scale: number | null;
  /** Digits of a second that are kept, of timestamps. */
  readonly secondDigits: number;
  /** Characters, of char(n) and varchar(n), else null. */
  readonly length: number | null;
  /** Of an integer or a float. */
  readonly bytes: number;
  /** Of the elements of an array. */
  readonly element: TypeFamily | null;
  /** money, or an array of it: its text depends on the server's settings. */
  readonly isMoney: boolean;
}

const FAMILIES: ReadonlyMap<string, TypeFamily> = new Map([
  ['boolean', 'boolean'],
  ['bool', 'boolean'],
  ['smallint', 'integer'],
  ['int2', 'integer'],
  ['integer', 'integer'],
  ['int4', 'integer'],
  ['bigint', 'integer'],
  ['int8', 'integer'],
  ['oid', 'integer'],
  ['numeric', 'numeric'],
  ['real', 'float'],
  ['float4', 'float'],
  ['double precision', 'float'],
  ['float8', 'float'],
  ['timestamp without time zone', 'timestamp'],
  ['timestamp', 'timestamp'],
  ['timestamp with time zone', 'timestamptz'],
  ['timestamptz', 'timestamptz'],
  ['date', 'date'],
  ['json', 'json'],
  ['jsonb', 'json'],
  ['bytea', 'bytes'],
  ['uuid', 'uuid'],
  ['character', 'char'],
  ['char', 'char'],
  ['bpchar', 'char'],
]);
const NUMBER_BYTES: ReadonlyMap<string, number> = new Map([
  ['smallint', 2],
  ['int2', 2],
  ['integer', 4],
  ['int4', 4],
  ['real', 4],
  ['float4', 4],
]);
const MODIFIER = /\s*\((-?\d+)(?:,\s*(-?\d+))?\)/;
const MICROSECOND_DIGITS = 6;

/** @param type `numeric(12,2)`, `timestamp(3) with time zone`, `text[]`, `character varying(20)`, an enum's name */
export function typeShape(type: string): TypeShape {
  const isArray = type.endsWith('[]');
  const element = isArray ? type.slice(0, type.indexOf('[]')) : type;
  const name = element.replace(MODIFIER, '').toLowerCase();
  const [, first, second] = MODIFIER.exec(element) ?? [];
  const family = FAMILIES.get(name) ?? 'text';
  const size = first === undefined ? null : Number(first);
  return {
    family: isArray ? 'array' : family,
    precision: family === 'numeric' ? size : null,
    scale: family !== 'numeric' || size === null ? null : Number(second ?? 0),
    secondDigits: name.startsWith('timestamp') && size !== null ? size : MICROSECOND_DIGITS,
    length: name.startsWith('char') || name === 'varchar' || name === 'bpchar' ? size : null,
    bytes: NUMBER_BYTES.get(name) ?? 8,
    element: isArray ? family : null,
    isMoney: name === 'money',
  };
}
