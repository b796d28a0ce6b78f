/** What the two files of a till hold in the model, and its sales as they go up. */
import { unitDigest } from '../../../services/shared/records/unit-digest.ts';
import type { Position } from '../../../services/shared/records/position.ts';
import type { Unit, UnitChange } from '../../../services/shared/records/unit-record.ts';
import type { Progress } from '../../../services/terminal-agent/settlement.ts';
import type { Waiting } from '../../../services/terminal-agent/standing.ts';
import type { RowTold } from './model.ts';

export interface Entry {
  readonly seq: number;
  readonly sale: string;
  readonly atMs: number;
  /** A row of its own, or one taken off a stock: in that case it looks like every other. */
  readonly kind: 'row' | 'stock';
  settled: boolean;
}

/** What the agent keeps in a file of its own. */
export interface AgentState {
  incarnation: string;
  waiting: Waiting | null;
  units: Unit[];
  published: number;
  beginsAfter: number;
  leftOut: Set<number>;
  announced: boolean;
}

/** payflow.db. */
export interface TillState {
  entries: Entry[];
  knows: string | null;
  told: Progress | null;
  read: number;
  rowsRead: number;
  /** Up to here its own units were confirmed. */
  confirmed: number;
  /** Where the store stream has been read to. */
  store: Position;
  /** Central id → the sale whose row it is here. */
  rows: Map<string, string>;
  /** Rows that may be its own, until the store stream says. */
  parked: RowTold[];
}

export function changeOf({ seq, sale, atMs, kind }: Entry): UnitChange {
  const isRow = kind === 'row';
  return {
    seq,
    table: isRow ? 'orders' : 'products',
    op: isRow ? 'c' : 'u',
    capturedAtMs: atMs,
    row: isRow ? { identity: sale, centralId: null } : { identity: '', centralId: '1' },
    columns: isRow ? [{ name: 'total', old: null, new: '1' }] : [{ name: 'stock', old: '10', new: '9' }],
    references: [],
  };
}

/** As the agent takes it. */
export function hashOf(entries: readonly Entry[]): Buffer {
  return unitDigest({ registration: 1, changes: entries.map(changeOf) });
}

/** structuredClone makes plain arrays of Buffers. */
export function structuredCloneOf<T>(value: T): T {
  if (Buffer.isBuffer(value)) return value;
  if (value instanceof Set) return new Set(value) as T;
  if (value instanceof Map) return new Map(value) as T;
  if (Array.isArray(value)) return value.map((each: unknown) => structuredCloneOf(each)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, structuredCloneOf(each)])) as T;
}
