/**
 * Turns cut units into records. Values go up as SQLite stored them; only the names of rows are worked out here
 * (references.ts). Runs inside one read snapshot, because a reference may be answered by two looks.
 */
import { PROTOCOL_VERSION } from '../../shared/records/change-record.ts';
import { type UnitRecordHead, UnitRecordEncoder } from '../../shared/records/unit-codec.ts';
import {
  announcementUnit,
  type ColumnChange,
  type ReferenceChange,
  type SqliteValue,
  type UnitChange,
  type UnitOp,
} from '../../shared/records/unit-record.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import type { Reference } from '../../shared/mapping/mapping.ts';
import type { CutUnit } from './agent-file.ts';
import { Outbox, type OutboxEntry } from './outbox.ts';
import { References, type Unnamed } from './references.ts';
import type { TillDatabase } from '../till/till-database.ts';
import { asSent } from '../till/exact-text.ts';
import { isPublished } from '../till/trigger-sql.ts';

/** A record holds whole units up to this size. */
export const RECORD_BYTES = 256 * 1024;

export interface BuiltRecords {
  readonly records: readonly Buffer[];
  /** Units that are whole in these records. */
  readonly units: readonly number[];
  /** Rows that must get an identity before these records may be published. */
  readonly unnamed: readonly Unnamed[];
}

interface ColumnPlan {
  readonly name: string;
  readonly reference: Reference | null;
  readonly charset: string | undefined;
  readonly oldIndex: number;
  readonly newIndex: number;
  readonly always: boolean;
}

export class UnitBuilder {
  readonly #till: TillDatabase;
  readonly #head: Pick<UnitRecordHead, 'terminal' | 'databaseId' | 'keyVersion'>;
  readonly #outbox: Outbox;
  #references: References;
  #plans = new Map<string, readonly ColumnPlan[] | null>();
  #generation: number;

  constructor(
    till: TillDatabase,
    head: Pick<UnitRecordHead, 'terminal' | 'databaseId' | 'keyVersion'>,
    isLeftOut?: (seq: number) => boolean,
  ) {
    this.#till = till;
    this.#head = head;
    this.#outbox = new Outbox(till.db, isLeftOut);
    this.#references = new References(till.db, till.binding);
    this.#generation = till.generation;
  }

  /**
   * Records of consecutive units, from the first on, until `maxBytes` are reached; at least one unit.
   * Call inside a read snapshot.
   */
  build(units: readonly CutUnit[], maxBytes: number): BuiltRecords {
    this.#followBinding();
    this.#references.beginSnapshot();
    const records: Buffer[] = [];
    const done: number[] = [];
    let encoder = new UnitRecordEncoder();
    let bytes = 0;
    const finish = () => {
      if (encoder.bytes > 0) records.push(this.#finish(encoder, 1, 1));
      bytes += encoder.bytes;
      encoder = new UnitRecordEncoder();
    };
    for (const unit of units) {
      if (unit.partEnds.length > 1) {
        finish();
        const parts = this.#parts(unit);
        bytes += parts.reduce((sum, part) => sum + part.length, 0);
        records.push(...parts);
      } else {
        encoder.add({ ...unit, changes: this.#changes(unit.firstSeq, unit.lastSeq) });
        if (encoder.bytes >= RECORD_BYTES) finish();
      }
      done.push(unit.number);
      if (bytes + encoder.bytes >= maxBytes) break;
    }
    finish();
    return { records, units: done, unnamed: this.#references.takeUnnamed() };
  }

  /** The record in which a file gives the name under which it would go on. */
  announcement(predecessor: string | null): Buffer {
    const encoder = new UnitRecordEncoder();
    const open = this.#outbox.oldestOpen(0);
    const lastSeq = this.#outbox.highestSeq();
    encoder.add(announcementUnit(predecessor, { firstSeq: open?.seq ?? lastSeq, lastSeq }));
    return this.#finish(encoder, 1, 1);
  }

  #parts(unit: CutUnit): Buffer[] {
    let firstSeq = unit.firstSeq;
    return unit.partEnds.map((lastSeq, index) => {
      const encoder = new UnitRecordEncoder();
      encoder.add({ ...unit, changes: this.#changes(firstSeq, lastSeq) });
      firstSeq = lastSeq + 1;
      return this.#finish(encoder, index + 1, unit.partEnds.length);
    });
  }

  #finish(encoder: UnitRecordEncoder, part: number, parts: number): Buffer {
    const { mappingVersion, incarnation } = this.#till;
    const head = { ...this.#head, protocol: PROTOCOL_VERSION, mappingVersion, incarnation };
    return encoder.finish({ ...head, part, parts });
  }

  #changes(firstSeq: number, lastSeq: number): UnitChange[] {
    const changes: UnitChange[] = [];
    for (const entry of this.#outbox.entries(firstSeq, lastSeq)) {
      if (entry.op === 'k') continue;
      const plan = this.#plan(entry);
      if (plan !== null) changes.push(this.#change(entry, entry.op, plan));
    }
    return changes;
  }

  #change(entry: OutboxEntry, op: UnitOp, plan: readonly ColumnPlan[]): UnitChange {
    const columns: ColumnChange[] = [];
    const references: ReferenceChange[] = [];
    for (const { name, reference, charset, oldIndex, newIndex, always } of plan) {
      const sent = (index: number) => asSent(this.#outbox.exact(entry, index), charset);
      const before = op === 'c' || op === 'r' ? null : sent(oldIndex);
      const after = op === 'd' ? null : sent(newIndex);
      if (op === 'u' && !always && sameValue(before, after)) continue;
      columns.push({ name, old: before, new: after });
      if (reference === null) continue;
      references.push({ column: name, target: this.#references.resolve(reference, after, entry.seq) });
    }
    return {
      seq: entry.seq,
      table: entry.columns.table,
      op,
      capturedAtMs: entry.capturedAtMs,
      row: { identity: entry.identity ?? '', centralId: entry.centralId },
      columns,
      references,
    };
  }

  /** null: nothing of this table goes up. */
  #plan(entry: OutboxEntry): readonly ColumnPlan[] | null {
    const { table } = entry.columns;
    const known = this.#plans.get(table);
    if (known !== undefined) return known;
    const bound = this.#till.binding.tables.get(table);
    const plan = bound === undefined ? this.#recordedPlan(entry) : boundPlan(bound, entry);
    this.#plans.set(table, plan);
    return plan;
  }

  /** The table is gone from the file, or from the mapping: what was recorded of it goes up all the same. */
  #recordedPlan({ columns: { table, oldIndex, newIndex } }: OutboxEntry): readonly ColumnPlan[] | null {
    const mapping = this.#till.mapping.tables.find(({ local }) => local === table);
    if (mapping?.direction === 'push') return null;
    return [...newIndex].map(([name, index]) => ({
      name,
      reference: mapping?.references.get(name) ?? null,
      charset: mapping?.columns.get(name)?.charset,
      oldIndex: oldIndex.get(name) ?? -1,
      newIndex: index,
      always: false,
    }));
  }

  #followBinding(): void {
    if (this.#generation === this.#till.generation) return;
    this.#generation = this.#till.generation;
    this.#outbox.reset();
    this.#plans = new Map();
    this.#references = new References(this.#till.db, this.#till.binding);
  }
}

function boundPlan(bound: BoundTable, { columns: { oldIndex, newIndex } }: OutboxEntry) {
  if (!isPublished(bound)) return null;
  return bound.columns.map(({ local, reference, options }): ColumnPlan => ({
    name: local,
    reference,
    charset: options.charset,
    oldIndex: oldIndex.get(local) ?? -1,
    newIndex: newIndex.get(local) ?? -1,
    always: local === bound.timestampColumn,
  }));
}

/** −0 and 0 are two values: an untyped column tells them apart. */
function sameValue(a: SqliteValue, b: SqliteValue): boolean {
  return Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : Object.is(a, b);
}
