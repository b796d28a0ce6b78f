/**
 * What travels up: whole units of a till. A unit is what became visible between two looks at the outbox: a
 * whole number of the app's transactions. One record of the up topic holds consecutive whole units (up to
 * 256 KB), or part n of m of one that is larger. Key: the terminal id. The value is an Avro single object
 * (schemas/avro/unit-record.avsc), the header `sig` the Ed25519 signature over exactly these bytes.
 *
 * Values go up as SQLite stored them, under local column names: the centre knows the types and the mapping
 * version, converts them, and keeps what it refused unchanged. What only the till can know it resolves
 * itself: which row a local key means (`RowRef`).
 */
import { createHash } from 'node:crypto';

/** A value by SQLite storage class: NULL, INTEGER, REAL, TEXT, BLOB. Integers are always bigint. */
export type SqliteValue = null | bigint | number | string | Buffer;

/** c insert, u update, d delete; r an existing row offered by bootstrap (inserted if missing, else only linked). */
export type UnitOp = 'c' | 'u' | 'd' | 'r';

/** A till row, named without its local key. */
export interface RowRef {
  /** `local_id` where that is a UUID, else the id minted by trigger. */
  readonly identity: string;
  /** Central id, where the till knows it already. */
  readonly centralId: string | null;
}

export interface ColumnChange {
  /** Local column name. */
  readonly name: string;
  /** Before; null for inserts. */
  readonly old: SqliteValue;
  /** After; null for deletes. */
  readonly new: SqliteValue;
  /**
   * What the till saw of it, where `old` does not say it: the image's own text, of a reference the central id or `~` and
   * the identity of a row that has none yet. undefined: what `old` comes to; of a reference nothing is known then.
   */
  readonly seen?: Seen | undefined;
}

export type Seen = 'unknown' | { readonly text: string | null };

/**
 * Stands for a row of a table that the till can't capture: nothing of it is known at the centre, and the till has no
 * lasting name for it. A centre of the version before takes it for a row that it does not know.
 */
export const UNCAPTURED_ROW: RowRef = { identity: '', centralId: null };

export function isUncaptured({ identity, centralId }: RowRef): boolean {
  return identity === '' && centralId === null;
}

export interface ReferenceChange {
  /** Local column name. */
  readonly column: string;
  /** The row that `new` points to; null where the column is null or points nowhere. */
  readonly target: RowRef | null;
}

/** `capturedAtMs` of an update that only fills: nobody has agreed on these columns yet, and no clock says who is right. */
export const FILLS_AT_MS = 0;

export interface UnitChange {
  /** Number in the till's outbox. */
  readonly seq: number;
  /**
   * Id of that entry, the same in every copy of the till's file and of no other: a change that comes again after a
   * hand-over is known by it. undefined from an agent whose entries have none.
   */
  readonly entry?: string | undefined;
  /** Local table name. */
  readonly table: string;
  readonly op: UnitOp;
  /** The till's clock at the change, ms since 1970. */
  readonly capturedAtMs: number;
  readonly row: RowRef;
  /**
   * Position of the row's image when the app changed it, as 32 hex digits (`encodePosition`); all zero where it had none.
   * undefined from an agent that does not say.
   */
  readonly image?: string | undefined;
  /**
   * Inserts: every mapped column. Updates: the columns that differ, and always the timestamp column.
   * Deletes: every mapped column's old value.
   */
  readonly columns: readonly ColumnChange[];
  /** One for each reference column in `columns`. */
  readonly references: readonly ReferenceChange[];
  /**
   * Updates of tables with `granularity: row`: what the till saw of the columns that it did not change, but amounts and the
   * timestamp. `new` is null and says nothing.
   */
  readonly others?: readonly ColumnChange[] | undefined;
}

export interface Unit {
  /** 1, 2, 3 … within an incarnation; 0 only in `announcementUnit`. */
  readonly number: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** SHA-256 over the registration and the stored values of all its changes; see the agent's `units.ts`. 32 bytes. */
  readonly hash: Buffer;
  /** Hash of the unit before; 32 zero bytes for the first. */
  readonly previousHash: Buffer;
  /**
   * Number of the till's registration when it was cut: it says whose rows the unit may change. undefined from an
   * agent that knows of none: the first.
   */
  readonly registration?: number | undefined;
  /** In seq order. Of a unit in parts: this part's slice. */
  readonly changes: readonly UnitChange[];
}

export interface UnitRecord {
  readonly protocol: number;
  readonly terminal: string;
  readonly incarnation: string;
  /** Of the central database the till was enrolled at; central ids of another one are not trusted. */
  readonly databaseId: string;
  readonly mappingVersion: number;
  readonly keyVersion: number;
  /** 1-based. parts = 1 for records of whole units; otherwise `units` holds exactly one slice. */
  readonly part: number;
  readonly parts: number;
  readonly units: readonly Unit[];
}

/**
 * A till's file that cannot go on by itself (its agent file was lost, or it is not the file that the centre knows)
 * takes a new incarnation and announces it by a record of this one unit: no changes, number 0, the seqs of what it
 * has to send, and as `previousHash` the SHA-256 of the incarnation under which it sent before. Nothing of it is
 * applied; whether it goes on says central-apply/admission.ts, or an operator.
 */
export function announcementUnit(
  predecessor: string | null,
  range: { readonly firstSeq: number; readonly lastSeq: number },
): Unit {
  const hash = FIRST_PREVIOUS_HASH;
  const previousHash = predecessor === null ? FIRST_PREVIOUS_HASH : hashOfName(predecessor);
  return { number: 0, ...range, hash, previousHash, changes: [] };
}

export function isAnnouncement({ units }: UnitRecord): boolean {
  return units.length === 1 && units[0]?.number === 0;
}

/** Whether the file that announces itself sent under this incarnation before. */
export function namesPredecessor({ units }: UnitRecord, incarnation: string): boolean {
  return units[0]?.previousHash.equals(hashOfName(incarnation)) ?? false;
}

function hashOfName(incarnation: string): Buffer {
  return createHash('sha256').update(incarnation).digest();
}

export const SIGNATURE_HEADER = 'sig';
export const FIRST_PREVIOUS_HASH = Buffer.alloc(32);

/**
 * The canonical bytes a unit's hash is taken over: its registration, then change by change seq, table, op, key, time,
 * and the stored old and new values with their storage classes. RowRefs and what the till saw of the centre take no part, so that a
 * resend, made when more is known, hashes alike. Computed by the till only; the centre compares and chains hashes.
 */
export const UNIT_HASH_ALGORITHM = 'sha256';
