/** What capture would write, by hand: records of one down stream, encoded as they travel. */
import {
  type CentralId,
  type CentralRow,
  type CentralValue,
  LINK_TABLE,
  MAPPING_TABLE,
  PROGRESS_TABLE,
  PROTOCOL_VERSION,
  type RowOp,
  rowKey,
} from '../../services/shared/records/change-record.ts';
import {
  encodeOriginUnits,
  ORIGIN_UNITS_HEADER,
  type AnswerOrigin,
} from '../../services/shared/records/origin-units.ts';
import type { CentralKind } from '../../services/shared/catalog/central-catalog.ts';
import { changeSchema } from '../../services/shared/records/change-schema.ts';
import {
  CATALOG_POSITION_HEADER,
  compileSchema,
  type CompiledSchema,
  encodeChange,
  encodeControl,
  type SchemaSource,
} from '../../services/shared/records/envelope.ts';
import { PayflowError } from '../../services/shared/errors.ts';
import type { LogRecord, StoredRecord } from '../../services/shared/log/event-log.ts';
import {
  encodePosition,
  encodePositionHeader,
  type Lsn,
  POSITION_HEADER,
  type Position,
} from '../../services/shared/records/position.ts';

/** Central columns: name → [kind, type]. The first is the key. */
export type CentralColumns = Readonly<Record<string, readonly [CentralKind, string]>>;

const INTERNAL: Readonly<Record<string, CentralColumns>> = {
  [LINK_TABLE]: {
    terminal_id: ['text', 'text'],
    table_name: ['text', 'text'],
    identity: ['text', 'text'],
    central_id: ['text', 'text'],
  },
  [PROGRESS_TABLE]: {
    terminal_id: ['text', 'text'],
    incarnation: ['text', 'text'],
    last_unit: ['bigint', 'bigint'],
    last_seq: ['bigint', 'bigint'],
    chain_hash: ['bytes', 'bytea'],
    exceptions: ['text', 'text'],
    standing: ['text', 'text'],
    standing_why: ['text', 'text'],
  },
  [MAPPING_TABLE]: {
    name: ['text', 'text'],
    version: ['int', 'integer'],
    source: ['text', 'text'],
    horizon_days: ['int', 'integer'],
  },
};

export class TestSchemas implements SchemaSource {
  readonly #byTable = new Map<string, CompiledSchema>();
  readonly #byFingerprint = new Map<bigint, CompiledSchema>();

  constructor(tables: Readonly<Record<string, CentralColumns>>) {
    for (const [table, columns] of Object.entries({ ...INTERNAL, ...tables })) this.set(table, columns);
  }

  set(table: string, columns: CentralColumns): void {
    const list = Object.entries(columns).map(([name, [kind, type]]) => ({ name, kind, type }));
    const compiled = compileSchema(changeSchema(table, [list[0]?.name ?? ''], list));
    this.#byTable.set(table, compiled);
    this.#byFingerprint.set(compiled.fingerprint, compiled);
  }

  of(table: string): CompiledSchema {
    const schema = this.#byTable.get(table);
    if (schema === undefined) throw new PayflowError('INTERNAL', `no test schema for ${table}`);
    return schema;
  }

  find(fingerprint: bigint): CompiledSchema | undefined {
    return this.#byFingerprint.get(fingerprint);
  }

  fetch(fingerprint: bigint): Promise<CompiledSchema> {
    const found = this.find(fingerprint);
    if (found !== undefined) return Promise.resolve(found);
    return Promise.reject(new PayflowError('SCHEMA_UNKNOWN', 'not among the test schemas'));
  }
}

export interface RowOptions {
  readonly op?: RowOp;
  readonly origins?: readonly AnswerOrigin[];
  readonly omitted?: readonly string[];
}

type Content = (position: Position, last: boolean) => LogRecord;

/** One stream. Every call of `commit` is one transaction. */
export class DownStream {
  readonly records: StoredRecord[] = [];
  epoch = 1;
  readonly #schemas: TestSchemas;

  constructor(schemas: TestSchemas) {
    this.#schemas = schemas;
  }

  row(
    table: string,
    id: string | number,
    row: Record<string, CentralValue>,
    options: RowOptions = {},
  ): Content {
    const types = this.#schemas.of(table).types;
    const key = types.keys().next().value ?? 'id';
    const full = Object.entries({ [key]: id, ...row }).map(([name, value]) => {
      const isBig = types.get(name) === 'bigint' && typeof value === 'number';
      return [name, isBig ? BigInt(value) : value] as const;
    });
    return this.#change(table, String(id), Object.fromEntries(full), { op: 'u', ...options });
  }

  delete(table: string, id: string | number, options: RowOptions = {}): Content {
    return this.#change(table, String(id), null, { ...options, op: 'd' });
  }

  tombstone(table: string, id: string | number): Content {
    return (position, last) => ({
      key: Buffer.from(rowKey(table, String(id) as CentralId)),
      value: null,
      headers: { [POSITION_HEADER]: encodePositionHeader(position, last) },
    });
  }

  link(terminal: string, table: string, identity: string, centralId: string | number): Content {
    const row = { terminal_id: terminal, table_name: table, identity, central_id: String(centralId) };
    return this.#change(LINK_TABLE, JSON.stringify([terminal, table, identity]), row, { op: 'c' });
  }

  progress(
    terminal: string,
    incarnation: string,
    lastSeq: number,
    options: {
      catalog?: Position;
      exceptions?: readonly [number, number, string][];
      lastUnit?: number;
      chainHash?: Buffer | undefined;
      fenced?: string;
    } = {},
  ): Content {
    const row = {
      terminal_id: terminal,
      incarnation,
      last_unit: BigInt(options.lastUnit ?? 1),
      last_seq: BigInt(lastSeq),
      chain_hash: options.chainHash ?? null,
      exceptions: JSON.stringify(options.exceptions ?? []),
      standing: options.fenced === undefined ? 'ok' : 'fenced',
      standing_why: options.fenced ?? null,
    };
    const change = this.#change(PROGRESS_TABLE, terminal, row, { op: 'u' });
    return (position, last) => {
      const record = change(position, last);
      const header = encodePosition(options.catalog ?? { epoch: 0, lsn: 0n as Lsn, seq: 0 });
      return { ...record, headers: { ...record.headers, [CATALOG_POSITION_HEADER]: header } };
    };
  }

  mapping(version: number, source: string, horizonDays: number | null = null): Content {
    const row = { name: 'mapping', version, source, horizon_days: horizonDays };
    return this.#change(MAPPING_TABLE, 'mapping', row, { op: 'u' });
  }

  heartbeat(): Content {
    return (position) => encodeControl({ kind: 'heartbeat', streamId: 'stream-1', sentAtMs: 1 }, position);
  }

  seedBegin(table: string): Content {
    return (position) => encodeControl({ kind: 'seed-begin', table }, position);
  }

  seedComplete(table: string): Content {
    return (position) => encodeControl({ kind: 'seed-complete', table }, position);
  }

  /** One transaction: all contents at this LSN, seq counting from 1. @returns its records */
  commit(lsn: number, ...contents: readonly Content[]): StoredRecord[] {
    const added = contents.map((content, i) => {
      const position: Position = { epoch: this.epoch, lsn: BigInt(lsn) as Lsn, seq: i + 1 };
      const { key, value, headers = {} } = content(position, i === contents.length - 1);
      return { key, value, headers, offset: this.records.length + i, timestampMs: Date.now() };
    });
    this.records.push(...added);
    return added;
  }

  #change(table: string, id: string, after: CentralRow | null, options: RowOptions): Content {
    const { origins = [] } = options;
    return (position, lastOfTransaction) => {
      const record = encodeChange(
        {
          protocol: PROTOCOL_VERSION,
          op: options.op ?? 'u',
          table,
          id: id as CentralId,
          before: null,
          after,
          position,
          lastOfTransaction,
          xid: 1,
          commitTimeUs: 1_700_000_000_000_000n,
          origins,
          omitted: options.omitted ?? [],
          types: new Map(),
        },
        this.#schemas.of(table),
      );
      if (origins.length === 0) return record;
      return { ...record, headers: { ...record.headers, [ORIGIN_UNITS_HEADER]: encodeOriginUnits(origins) } };
    };
  }
}

export function positionAt(lsn: number, seq = 1): Position {
  return { epoch: 1, lsn: BigInt(lsn) as Lsn, seq };
}
