/**
 * Decoder of pgoutput, protocol 1 (https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html).
 * Column texts stay bytes: what PostgreSQL printed is what travels, nothing is parsed and printed again.
 *
 * For speed the two tuples belong to the decoder and are filled anew with each message: whoever needs one
 * longer than until the next `decode` must copy what it needs.
 */
import { PayflowError } from '../../shared/errors.ts';
import type { Lsn } from '../../shared/records/position.ts';

export interface RelationColumn {
  readonly name: string;
  /** Part of the replica identity. */
  readonly isKey: boolean;
  readonly typeOid: number;
}

export interface Relation {
  readonly oid: number;
  /** As in the mapping: schema-qualified unless in `public`. */
  readonly name: string;
  readonly replicaIdentity: 'default' | 'nothing' | 'full' | 'index';
  readonly columns: readonly RelationColumn[];
}

export type WalMessage =
  | { readonly kind: 'begin'; readonly commitLsn: Lsn; readonly commitTimeUs: bigint; readonly xid: number }
  | { readonly kind: 'commit'; readonly commitLsn: Lsn; readonly endLsn: Lsn }
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'insert'; readonly relation: Relation; readonly after: Tuple }
  | {
      readonly kind: 'update';
      readonly relation: Relation;
      readonly before: Tuple | null;
      /** `before` holds only the key columns (they changed, or the identity is not full). */
      readonly beforeIsKey: boolean;
      readonly after: Tuple;
    }
  | {
      readonly kind: 'delete';
      readonly relation: Relation;
      readonly before: Tuple;
      readonly beforeIsKey: boolean;
    }
  | { readonly kind: 'truncate'; readonly relations: readonly Relation[] }
  | {
      readonly kind: 'message';
      readonly transactional: boolean;
      readonly lsn: Lsn;
      readonly prefix: string;
      readonly content: Buffer;
    }
  | { readonly kind: 'other' };

/** PostgreSQL's own limit. */
const MAX_COLUMNS = 1_600;
export const NULL_LENGTH = -1;
/** Stored out of line and not touched by the update: the value is not in the WAL record. */
export const UNCHANGED_LENGTH = -2;

/** A row as column texts in one buffer. `lengths[i]` is a byte length, NULL_LENGTH or UNCHANGED_LENGTH. */
export class Tuple {
  bytes: Buffer = Buffer.alloc(0);
  count = 0;
  readonly starts: Int32Array;
  readonly lengths: Int32Array;

  constructor(columns = MAX_COLUMNS) {
    this.starts = new Int32Array(columns);
    this.lengths = new Int32Array(columns);
  }

  text(column: number): string | null {
    const length = this.lengths[column] ?? NULL_LENGTH;
    if (length < 0) return null;
    const start = this.starts[column] ?? 0;
    return this.bytes.toString('utf8', start, start + length);
  }
}

const PG_EPOCH_US = 946_684_800_000_000n;

const IDENTITIES: Readonly<Record<string, Relation['replicaIdentity']>> = {
  d: 'default',
  n: 'nothing',
  f: 'full',
  i: 'index',
};
const OLD_TUPLE = 0x4f;
const KEY_TUPLE = 0x4b;
const NULL_VALUE = 0x6e;
const UNCHANGED_VALUE = 0x75;
const TEXT_VALUE = 0x74;

export class PgoutputDecoder {
  readonly #relations = new Map<number, Relation>();
  readonly #before = new Tuple();
  readonly #after = new Tuple();
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** @throws PayflowError REPLICATION_PROTOCOL on anything this version of the protocol does not have */
  decode(bytes: Buffer): WalMessage {
    this.#bytes = bytes;
    this.#at = 1;
    switch (bytes[0] ?? 0) {
      case 0x49: // I
        return this.#insert();
      case 0x55: // U
        return this.#update();
      case 0x44: // D
        return this.#delete();
      case 0x42: // B
        return this.#begin();
      case 0x43: // C
        return this.#commit();
      case 0x52: // R
        return this.#relation();
      case 0x54: // T
        return this.#truncate();
      case 0x4d: // M
        return this.#message();
      case 0x4f: // O, origin of a replicated transaction
      case 0x59: // Y, name of a type
        return { kind: 'other' };
      default:
        throw malformed(`unknown pgoutput message ${bytes[0] ?? 'of no length'}`);
    }
  }

  #begin(): WalMessage {
    const commitLsn = this.#lsn();
    const commitTimeUs = this.#bytes.readBigInt64BE(this.#at) + PG_EPOCH_US;
    return { kind: 'begin', commitLsn, commitTimeUs, xid: this.#bytes.readUInt32BE(this.#at + 8) };
  }

  #commit(): WalMessage {
    this.#at += 1; // flags, unused
    const commitLsn = this.#lsn();
    return { kind: 'commit', commitLsn, endLsn: this.#lsn() };
  }

  #insert(): WalMessage {
    const relation = this.#knownRelation();
    this.#at += 1; // 'N'
    this.#tuple(this.#after);
    return { kind: 'insert', relation, after: this.#after };
  }

  #update(): WalMessage {
    const relation = this.#knownRelation();
    const marker = this.#bytes[this.#at];
    this.#at += 1;
    let before: Tuple | null = null;
    if (marker === OLD_TUPLE || marker === KEY_TUPLE) {
      before = this.#tuple(this.#before);
      this.#at += 1; // 'N'
    }
    this.#tuple(this.#after);
    return { kind: 'update', relation, before, beforeIsKey: marker === KEY_TUPLE, after: this.#after };
  }

  #delete(): WalMessage {
    const relation = this.#knownRelation();
    const marker = this.#bytes[this.#at];
    this.#at += 1;
    return {
      kind: 'delete',
      relation,
      before: this.#tuple(this.#before),
      beforeIsKey: marker === KEY_TUPLE,
    };
  }

  #truncate(): WalMessage {
    const count = this.#int32();
    this.#at += 1; // options: CASCADE, RESTART IDENTITY
    return { kind: 'truncate', relations: Array.from({ length: count }, () => this.#knownRelation()) };
  }

  #message(): WalMessage {
    const transactional = this.#bytes[this.#at] === 1;
    this.#at += 1;
    const lsn = this.#lsn();
    const prefix = this.#string();
    const length = this.#int32();
    return {
      kind: 'message',
      transactional,
      lsn,
      prefix,
      content: this.#bytes.subarray(this.#at, this.#at + length),
    };
  }

  #relation(): WalMessage {
    const oid = this.#int32();
    const schema = this.#string() || 'pg_catalog'; // pgoutput sends '' for pg_catalog
    const table = this.#string();
    const identity = IDENTITIES[String.fromCharCode(this.#bytes[this.#at] ?? 0)];
    if (identity === undefined) throw malformed('unknown replica identity');
    this.#at += 1;
    const count = this.#bytes.readUInt16BE(this.#at);
    this.#at += 2;
    const columns = Array.from({ length: count }, () => this.#relationColumn());
    const name = schema === 'public' ? table : `${schema}.${table}`;
    const relation = { oid, name, replicaIdentity: identity, columns };
    this.#relations.set(oid, relation);
    return { kind: 'relation', relation };
  }

  #relationColumn(): RelationColumn {
    const isKey = this.#bytes[this.#at] === 1;
    this.#at += 1;
    const name = this.#string();
    const typeOid = this.#int32();
    this.#at += 4; // type modifier
    return { name, isKey, typeOid };
  }

  #knownRelation(): Relation {
    const oid = this.#int32();
    const relation = this.#relations.get(oid);
    if (relation === undefined) throw malformed(`a change names relation ${oid}, which was not described`);
    return relation;
  }

  #tuple(tuple: Tuple): Tuple {
    const bytes = this.#bytes;
    const count = bytes.readUInt16BE(this.#at);
    let at = this.#at + 2;
    tuple.bytes = bytes;
    tuple.count = count;
    for (let column = 0; column < count; column += 1) {
      const kind = bytes[at];
      at += 1;
      if (kind === TEXT_VALUE) {
        const length = bytes.readInt32BE(at);
        tuple.starts[column] = at + 4;
        tuple.lengths[column] = length;
        at += 4 + length;
      } else if (kind === NULL_VALUE || kind === UNCHANGED_VALUE) {
        tuple.lengths[column] = kind === NULL_VALUE ? NULL_LENGTH : UNCHANGED_LENGTH;
      } else {
        throw malformed(`unknown column kind ${kind ?? 'past the end'}`);
      }
    }
    this.#at = at;
    return tuple;
  }

  #lsn(): Lsn {
    const lsn = this.#bytes.readBigUInt64BE(this.#at) as Lsn;
    this.#at += 8;
    return lsn;
  }

  #int32(): number {
    const value = this.#bytes.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  #string(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }
}

function malformed(message: string): PayflowError {
  return new PayflowError('REPLICATION_PROTOCOL', message);
}
