/**
 * The form of the mapping file. What zod accepts here is also what `schemas/mapping.schema.json` says to
 * editors; a test keeps the two equal (`mappingJsonSchema`). Rules between parts of the file are in
 * mapping-parser.ts, rules that need the catalogs in mapping-check.ts.
 */
import { z } from 'zod';
import { CHARSETS } from '../values/charset.ts';

const TABLE_POLICIES = ['last-writer-wins', 'central-wins', 'terminal-wins', 'append-only'] as const;
const COLUMN_POLICIES = ['last-writer-wins', 'central-wins', 'terminal-wins', 'delta'] as const;
const FORMATS = ['iso', 'sqlite', 'local', 'epoch_s', 'epoch_ms', 'julian', 'date'] as const;
const MAX_MINOR_UNITS = 9;

const name = z.string().min(1);

const scope = z
  .union([z.literal('global'), z.strictObject({ store: z.union([name, z.strictObject({ via: name })]) })], {
    error: 'scope must be global, {store: column} or {store: {via: reference column}}',
  })
  .describe('Who has the rows: every till (global), or the tills of one store');

const reference = z.union(
  [
    name,
    z.strictObject({
      table: name,
      holds: z.enum(['local_key', 'server_id', 'local_id']).optional(),
      within: z
        .literal('store')
        .optional()
        .describe('A till may not set it to a row of another store; otherwise that is applied and listed'),
    }),
  ],
  { error: 'a reference must be a table name or {table: name, holds: server_id|local_id, within: store}' },
);

const column = z.strictObject({
  policy: z.enum(COLUMN_POLICIES).optional().describe('delta: changes are added up instead of compared'),
  format: z.enum(FORMATS).optional().describe('How the till writes a point in time; default iso, in UTC'),
  zone: name.optional().describe('IANA time zone of format: local, as Europe/Berlin'),
  minor_units: z
    .int()
    .min(0)
    .max(MAX_MINOR_UNITS)
    .optional()
    .describe('The till holds an integer of 10^-n units: 1250 is 12.50 for 2'),
  empty: z.null().optional().describe("null: the till's empty text is the centre's NULL"),
  charset: z
    .enum(CHARSETS)
    .optional()
    .describe('The character set in which the app writes texts that are not UTF-8'),
  direction: z
    .literal('push')
    .optional()
    .describe('Only head office changes it: what a till writes over it is put back and counted'),
});

/** What `defaults` may say and every table may say otherwise. */
const overridable = {
  scope: scope.optional(),
  direction: z.enum(['both', 'push', 'pull']).optional().describe('push: only down, pull: only up'),
  delete: z
    .enum(['soft', 'hard', 'deny', 'ignore'])
    .optional()
    .describe('Default: soft where the centre has deleted_at or is_deleted, else hard'),
  policy: z.enum(TABLE_POLICIES).optional().describe('Who wins when both sides changed a row'),
  granularity: z.enum(['row', 'column']).optional().describe('row: any two edits of one row conflict'),
  exclude: z
    .array(name)
    .optional()
    .describe('Columns that stay where they are; replaces the default list, book-keeping columns aside'),
  identity: name.optional().describe('Column that may hold a UUID of the row; default local_id'),
  link: name.optional().describe('Column that shows the central id; default server_id'),
  timestamp: name.optional().describe('Column that says when the row was changed; default updated_at'),
};

const defaults = z.strictObject(overridable);

const table = z.strictObject({
  central: name.optional().describe('Central table, where its name differs; schema.table outside public'),
  ...overridable,
  rename: z.record(name, name).optional().describe('Local column: central column'),
  columns: z.record(name, column).optional(),
  set: z
    .record(name, z.union([z.string(), z.number(), z.boolean()]))
    .optional()
    .describe('Central column: constant, $store or $terminal; used where the till lacks the column'),
  references: z.record(name, reference).optional().describe('Local column: the table it points to'),
  natural_key: z.array(name).min(1).optional().describe('Columns by which two rows are the same thing'),
  sensitive: z
    .array(name)
    .min(1)
    .optional()
    .describe('Columns whose values are never shown: not by API, console or log'),
  app_triggers: z
    .enum(['keep', 'suspend'])
    .optional()
    .describe(
      "Whether the app's own triggers run on rows from the centre; default: those that write only virtual tables. What they write into synced tables then stays on the till",
    ),
});

export const mappingDocument = z.strictObject({
  version: z.literal(1),
  defaults: defaults.optional(),
  tables: z.record(name, table),
});

export type MappingDocument = z.infer<typeof mappingDocument>;
export type TableDocument = z.infer<typeof table>;
export type DefaultsDocument = z.infer<typeof defaults>;

/** @returns the options known at a place of the file, for suggestions; null where names are free. */
export function knownOptions(path: readonly PropertyKey[]): readonly string[] | null {
  if (path.length === 0) return Object.keys(mappingDocument.shape);
  if (path.length === 1 && path[0] === 'defaults') return Object.keys(defaults.shape);
  if (path.length === 2 && path[0] === 'tables') return Object.keys(table.shape);
  if (path.length === 4 && path[2] === 'columns') return Object.keys(column.shape);
  return null;
}

/** The JSON Schema that stands in schemas/mapping.schema.json. */
export function mappingJsonSchema(): unknown {
  return {
    title: 'payflow-sync mapping',
    ...z.toJSONSchema(mappingDocument, { io: 'input' }),
  };
}
