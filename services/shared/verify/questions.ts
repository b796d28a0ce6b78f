/**
 * What `verify` asks, of central-apply by operations and of a till's agent over its socket, and what they answer. The
 * gateway asks both and decides (gateway/verify): neither knows the other's rows, only digests of them and, of rows that
 * may differ, whether they do.
 */
import { z } from 'zod';
import { MOST_BUCKETS } from './row-digest.ts';

const count = z.number().int().min(0);
const name = z.string().min(1).max(200);
const names = z.array(name).max(2_000);
const bucketCount = z.number().int().min(1).max(MOST_BUCKETS);
const bucketNumbers = z.array(count).max(MOST_BUCKETS);

/** So many rows are looked at at once. */
export const ROWS_AT_A_LOOK = 300;
/**
 * So many are listed at once, of buckets that differ: each list takes both sides a look at the whole table. One bucket may
 * hold more rows than that.
 */
export const ROWS_IN_A_LIST = 40_000;
const MOST_LISTED = 200_000;

/** Of one table, for one till. */
const tableArguments = z.strictObject({
  /** Local name. */
  table: name,
  terminalId: name,
  storeId: name,
  /** Central names. */
  columns: names,
  /** Rows that are marked as deleted are not on this till, which has no column for the mark. */
  isUnmarked: z.boolean(),
});

/** atLeast: rows that one side is known to have; the buckets suit the larger side. */
export const digestArguments = tableArguments.extend({ atLeast: count });
export const listArguments = tableArguments.extend({ buckets: bucketCount, of: bucketNumbers });
export const lookArguments = tableArguments.extend({
  ids: z.array(z.string().max(2_000)).max(ROWS_AT_A_LOOK),
  /** Only once all is visible that the WAL may show already. */
  settles: z.boolean(),
});

export const centralColumnSchema = z.object({ name: z.string(), type: z.string() });
export type ComparedColumn = z.output<typeof centralColumnSchema>;

export interface DigestResult {
  /** As the mapping calls it at the centre. */
  readonly table: string;
  /** Those that were asked for and exist, in their order. */
  readonly columns: readonly ComparedColumn[];
  readonly rows: number;
  /** Of `Buckets`, as many as `count`. */
  readonly count: number;
  readonly buckets: string;
}

export interface ListResult {
  /** Id and digest. */
  readonly rows: readonly (readonly [string, string])[];
}

/** `own`: of the till's store, or everyone's. `none`: nobody can say whose it is, and it travels to no till. */
export type RowPlace = 'own' | 'none' | 'other';

export interface CentralRowLook {
  readonly id: string;
  /** By column, as PostgreSQL prints them; null: there is no such row. */
  readonly values: readonly (string | null)[] | null;
  readonly place: RowPlace;
}

export interface LookResult {
  readonly rows: readonly CentralRowLook[];
  /** All is seen whose commit may have been in the WAL when it was asked for. */
  readonly settled: boolean;
}

/** What a till says of the tables that it has. */
export const comparedTableSchema = z.object({
  table: name,
  columns: names,
  isUnmarked: z.boolean(),
  direction: z.enum(['both', 'push', 'pull']),
});
export type ComparedTable = z.output<typeof comparedTableSchema>;

const atPosition = { lsn: z.string(), timeoutMs: z.number().positive() };
const agentTable = { ...atPosition, table: name, columns: z.array(centralColumnSchema).max(2_000) };
const keys = z.array(z.string());

/** By column, whether either side has left what both agreed on; null: that is not known. */
const columnFactSchema = z.object({
  column: z.string(),
  tillLeft: z.boolean().nullable(),
  centreLeft: z.boolean().nullable(),
});

export const rowFactsSchema = z.object({
  /** null: it has no central id. */
  id: z.string().nullable(),
  /** For people; null: it is not here. */
  key: z.string().nullable(),
  /** What the till kept of it: it has been here. */
  isKept: z.boolean(),
  isRefused: z.boolean(),
  /** As the mapping's `delete` wants it: it looks as a row does that the centre has deleted, or only the till has. */
  outlivesDelete: z.boolean(),
  isPutAway: z.boolean(),
  unsettled: z.enum(['nothing', 'on its way', 'held']),
  parked: z.string().nullable(),
  isUnswept: z.boolean(),
  /** The same as long as nothing of the row has changed here. */
  signature: z.string(),
  /** Those that mean other things on the two sides. */
  columns: z.array(columnFactSchema),
  tillMs: z.number().nullable(),
  centreMs: z.number().nullable(),
});
export type RowFacts = z.output<typeof rowFactsSchema>;

export const VERIFY_REQUESTS = {
  'verify:tables': {
    request: z.object({ table: name.optional() }),
    result: z.object({
      tables: z.array(comparedTableSchema),
      skipped: z.array(z.object({ table: name, why: z.string() })),
    }),
  },
  'verify:buckets': {
    request: z.object({ ...agentTable, count: bucketCount, buckets: z.string() }),
    /**
     * rows: all with a central id; differing: numbers of buckets, each with its rows here; unlinked: keys of rows without
     * a central id, of very many only the first, and moreUnlinked how many others there are.
     */
    result: z.object({
      rows: count,
      differing: z.array(z.tuple([count, count])).max(MOST_BUCKETS),
      unlinked: keys,
      moreUnlinked: count,
    }),
  },
  'verify:rows': {
    request: z.object({
      ...agentTable,
      count: bucketCount,
      of: bucketNumbers,
      rows: z.array(z.tuple([z.string(), z.string()])).max(MOST_LISTED),
    }),
    result: z.object({ ids: keys }),
  },
  'verify:look': {
    request: z.object({
      ...agentTable,
      rows: z
        .array(
          z.object({
            id: z.string(),
            values: z.array(z.string().nullable()).nullable(),
            place: z.enum(['own', 'none', 'other']),
          }),
        )
        .max(ROWS_AT_A_LOOK),
      keys: keys.max(ROWS_AT_A_LOOK),
    }),
    result: z.object({ rows: z.array(rowFactsSchema) }),
  },
  'verify:repair': {
    request: z.object({
      ...atPosition,
      table: name,
      /** The table's stream is read from its beginning: what the centre has comes again. */
      readsAgain: z.boolean(),
      /** Rows that go up like the app's own changes, by central id and, of those without one, by key. */
      offers: z.object({ ids: keys, keys }),
    }),
    result: z.object({}),
  },
} as const;

/** What an agent may say in an answer. */
export const VERIFY_BOUNDS = { textLength: 2_000, items: 100_000, depth: 6 };
