/**
 * What travels down: one record per change, per stream. The record's Kafka key is `<central table>:<central
 * id>`, its position is in the header `p` (position.ts), its value an Avro single object (envelope.ts).
 * A delete is a record with op `d`, then a tombstone (value null, same key, position with the same seq) that
 * also counts as a delete.
 *
 * Besides the mapped tables, some tables of payflow_sync travel as ordinary rows: `payflow_sync.mapping` to
 * every stream, `payflow_sync.link` and `payflow_sync.progress` to the store stream of their terminal.
 */
import type { Position } from './position.ts';

/** Central row id as text: the key's own text for one column, a JSON array of texts for several. */
export type CentralId = string & { readonly __brand: 'CentralId' };

/** c insert, u update, d delete, r row as it stands (seeding, image). */
export type RowOp = 'c' | 'u' | 'd' | 'r';

/**
 * A central value: bool → boolean; int2, int4 → number; int8 → bigint; float4, float8 → number (also NaN,
 * ±Infinity); bytea → Buffer; every other type → PostgreSQL's own text (ISO, UTC).
 */
export type CentralValue = null | boolean | number | bigint | string | Buffer;
/** By central column name. */
export type CentralRow = Readonly<Record<string, CentralValue>>;

/** What central-apply did with one change of a till. */
export type Outcome = 'applied' | 'merged' | 'lost' | 'duplicate' | 'rejected' | 'gone' | 'discarded';

/** The till's change that this record answers. */
export interface Origin {
  readonly terminal: string;
  readonly incarnation: string;
  readonly seq: number;
  readonly outcome: Outcome;
}

export interface ChangeRecord {
  readonly protocol: number;
  readonly op: RowOp;
  /** Central table name as in the mapping (`products`, `other.products`, `payflow_sync.link`). */
  readonly table: string;
  readonly id: CentralId;
  /** The old row (or only its key columns) where the WAL held it. */
  readonly before: CentralRow | null;
  /** null for `d`. */
  readonly after: CentralRow | null;
  readonly position: Position;
  readonly lastOfTransaction: boolean;
  readonly xid: number;
  /** Commit time, µs since 1970. */
  readonly commitTimeUs: bigint;
  readonly origins: readonly Origin[];
  /** Central columns left out because the row was too large; the till leaves them as they are. */
  readonly omitted: readonly string[];
  /** Central column → type as `format_type` prints it. One object per schema: readers cache plans by it. */
  readonly types: ReadonlyMap<string, string>;
}

/** Control records of capture; key `~heartbeat` etc., value UTF-8 JSON, position in the header. */
export type ControlRecord =
  /** Every 10 s to streams that were written since, else every 60 s; also the answer to a catch-up marker. */
  | { readonly kind: 'heartbeat'; readonly streamId: string; readonly sentAtMs: number }
  | { readonly kind: 'seed-begin'; readonly table: string }
  | { readonly kind: 'seed-complete'; readonly table: string }
  /** Capture took the stream over. */
  | { readonly kind: 'takeover'; readonly capture: string };

export const PROTOCOL_VERSION = 1;
export const LINK_TABLE = 'payflow_sync.link';
export const PROGRESS_TABLE = 'payflow_sync.progress';
export const MAPPING_TABLE = 'payflow_sync.mapping';

export function rowKey(table: string, id: CentralId): string {
  return `${table}:${id}`;
}

/** Splits `<table>:<id>`; table names hold no colon. */
export function parseRowKey(key: string): { table: string; id: CentralId } {
  const colon = key.indexOf(':');
  return { table: key.slice(0, colon), id: key.slice(colon + 1) as CentralId };
}

/** Text of a central id from its key columns' texts, in key order. */
export function centralId(keyTexts: readonly string[]): CentralId {
  return (keyTexts.length === 1 ? keyTexts[0] : JSON.stringify(keyTexts)) as CentralId;
}

/** The key columns' texts of a central id. */
export function centralIdParts(id: CentralId, keyLength: number): string[] {
  return keyLength === 1 ? [id] : (JSON.parse(id) as string[]);
}
