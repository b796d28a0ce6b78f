/**
 * The Avro schema of a table's change records, made from its mapped columns. Field order is the wire order and
 * is relied on by the encoder of central-capture.
 */
import { createHash } from 'node:crypto';
import type { CentralKind } from '../catalog/central-catalog.ts';

/** Attributes that Avro itself does not know; they travel with the schema in the schemas topic. */
export interface ChangeSchema {
  readonly type: 'record';
  readonly name: string;
  readonly namespace: string;
  /** Central table name as in the mapping. */
  readonly table: string;
  /** Key columns, in key order. */
  readonly key: readonly string[];
  readonly fields: readonly SchemaField[];
}

export interface SchemaField {
  readonly name: string;
  readonly type: unknown;
  readonly default?: null;
  readonly pgName?: string;
  readonly pgType?: string;
}

export interface SchemaColumn {
  readonly name: string;
  readonly kind: CentralKind;
  /** As `format_type` prints it. */
  readonly type: string;
}

const AVRO_TYPES: Readonly<Record<CentralKind, string | { type: 'long'; int8: true }>> = {
  boolean: 'boolean',
  int: 'int',
  bigint: { type: 'long', int8: true },
  double: 'double',
  bytes: 'bytes',
  text: 'string',
};

/** Order of the op in the schema's enum. */
export const OPS = ['c', 'u', 'd', 'r'] as const;

const SOURCE = {
  type: 'record',
  name: 'Source',
  fields: [
    { name: 'table', type: 'string' },
    { name: 'epoch', type: 'int' },
    { name: 'lsn', type: { type: 'long', int8: true } },
    { name: 'xid', type: 'long' },
    { name: 'commitTimeUs', type: { type: 'long', int8: true } },
    { name: 'seq', type: 'int' },
  ],
};

const ORIGIN = {
  type: 'record',
  name: 'Origin',
  fields: [
    { name: 'terminal', type: 'string' },
    { name: 'incarnation', type: 'string' },
    { name: 'seq', type: 'long' },
    { name: 'outcome', type: 'string' },
  ],
};

/**
 * Every column is nullable with default null, so that a reader of another version can resolve added and
 * removed ones. `before` may hold the key alone, where the WAL had no more.
 */
export function changeSchema(
  table: string,
  key: readonly string[],
  columns: readonly SchemaColumn[],
): ChangeSchema {
  const names = fieldNames(columns);
  const fields = columns.map((column, index) => rowField(column, names[index] ?? ''));
  const keyFields = fields.filter((field) => key.includes(field.pgName ?? ''));
  const row = { type: 'record', name: 'Row', fields };
  const namespace = `payflow.${safeName(table)}_${digest({ table, key, fields })}`;
  return {
    type: 'record',
    name: 'Change',
    namespace,
    table,
    key,
    fields: [
      { name: 'protocol', type: 'int' },
      { name: 'op', type: { type: 'enum', name: 'Op', symbols: OPS } },
      { name: 'source', type: SOURCE },
      { name: 'origins', type: { type: 'array', items: ORIGIN } },
      { name: 'omitted', type: { type: 'array', items: 'string' } },
      { name: 'before', type: ['null', row, { type: 'record', name: 'Key', fields: keyFields }] },
      { name: 'after', type: ['null', 'Row'] },
    ],
  };
}

/** How a value is written; every one may also be null. `long` is an int8, read as a bigint. */
export type AvroForm = 'boolean' | 'int' | 'long' | 'double' | 'bytes' | 'string';

export interface RowColumn {
  /** Avro's name of it. */
  readonly field: string;
  readonly name: string;
  /** As `format_type` prints it. */
  readonly type: string;
  readonly form: AvroForm;
}

/** The columns of a row of this schema, and of a row's key alone, in wire order. */
export function rowColumns(schema: ChangeSchema): { columns: RowColumn[]; keyColumns: RowColumn[] } {
  const union = schema.fields.find((field) => field.name === 'before')?.type as unknown[];
  const [columns = [], keyColumns = []] = union
    .slice(1)
    .map((record) => (record as { fields: SchemaField[] }).fields.map(rowColumn));
  return { columns, keyColumns };
}

function rowColumn({ name, pgName, pgType, type }: SchemaField): RowColumn {
  const form = (type as [null: string, type: string | { type: string }])[1];
  return {
    field: name,
    name: pgName ?? name,
    type: pgType ?? '',
    form: (typeof form === 'string' ? form : form.type) as AvroForm,
  };
}

/** Avro's names; a column that can't have its own is numbered, past every name that is there already. */
function fieldNames(columns: readonly SchemaColumn[]): string[] {
  const isName = (name: string) => /^[A-Za-z_]\w*$/.test(name);
  const taken = new Set(columns.map(({ name }) => name).filter(isName));
  return columns.map((column, index) => {
    if (isName(column.name)) return column.name;
    let name = `column_${index}`;
    while (taken.has(name)) name += '_';
    taken.add(name);
    return name;
  });
}

function rowField(column: SchemaColumn, name: string): SchemaField {
  return {
    name,
    type: ['null', AVRO_TYPES[column.kind]],
    default: null,
    pgName: column.name,
    pgType: column.type,
  };
}

/** A part of an Avro namespace, which does not begin with a digit. */
function safeName(table: string): string {
  return table.replace(/\W/g, '_').replace(/^(?=\d)/, '_');
}

/**
 * In the name, because a fingerprint is taken over Avro's own attributes only: without it numeric(10,2) and
 * numeric(12,2) would share one, and the second schema would never be published.
 */
function digest(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 12);
}
