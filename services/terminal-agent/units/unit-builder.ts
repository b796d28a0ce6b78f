/** Puts units, as they were cut, into records. */
import { PROTOCOL_VERSION } from '../../shared/records/change-record.ts';
import { decodeUnitRecord, type UnitRecordHead, UnitRecordEncoder } from '../../shared/records/unit-codec.ts';
import { announcementUnit, type Unit } from '../../shared/records/unit-record.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { AgentFile } from './agent-file.ts';
import type { CutUnit } from './unit-rows.ts';
import type { TillDatabase } from '../till/till-database.ts';

/** A record holds whole units up to this size. */
export const RECORD_BYTES = 256 * 1024;

export interface BuiltRecords {
  readonly records: readonly Buffer[];
  /** Units that are whole in these records. */
  readonly units: readonly number[];
}

interface RecordOf {
  readonly mapping: number | undefined;
  readonly part: number;
  readonly parts: number;
  readonly incarnation?: string | undefined;
}

type Head = Pick<UnitRecordHead, 'terminal' | 'databaseId' | 'keyVersion'>;

export class UnitBuilder {
  readonly #till: TillDatabase;
  readonly #agentFile: AgentFile;
  readonly #head: Head;

  constructor(till: TillDatabase, agentFile: AgentFile, head: Head) {
    this.#till = till;
    this.#agentFile = agentFile;
    this.#head = head;
  }

  /**
   * Records of consecutive units, from the first on, until `maxBytes` are reached; at least one unit.
   * @param incarnation under which they were cut, where that is another one than the till's
   */
  build(units: readonly CutUnit[], maxBytes: number, incarnation?: string): BuiltRecords {
    const records: Buffer[] = [];
    const done: number[] = [];
    let encoder = new UnitRecordEncoder();
    let mapping: number | undefined;
    let bytes = 0;
    const finish = () => {
      if (encoder.bytes > 0) records.push(this.#finish(encoder, { mapping, part: 1, parts: 1, incarnation }));
      bytes += encoder.bytes;
      encoder = new UnitRecordEncoder();
    };
    for (const unit of units) {
      const parts = this.#agentFile.changes.parts(unit.number).map(unitIn);
      // A record says under which mapping all of it was cut.
      if (parts.length > 1 || unit.mappingVersion !== mapping) finish();
      mapping = unit.mappingVersion;
      const [whole] = parts;
      if (whole === undefined) throw new PayflowError('INTERNAL', `unit ${unit.number} has no bytes`);
      if (parts.length > 1) {
        for (const [index, part] of parts.entries()) {
          encoder.add(part);
          bytes += encoder.bytes;
          records.push(this.#finish(encoder, { mapping, part: index + 1, parts: parts.length, incarnation }));
          encoder = new UnitRecordEncoder();
        }
      } else encoder.add(whole);
      if (encoder.bytes >= RECORD_BYTES) finish();
      done.push(unit.number);
      if (bytes + encoder.bytes >= maxBytes) break;
    }
    finish();
    return { records, units: done };
  }

  /** The record in which a file gives the name under which it would go on. */
  announcement(predecessor: string | null): Buffer {
    const encoder = new UnitRecordEncoder();
    const { lastSeq } = this.#agentFile.chain;
    encoder.add(announcementUnit(predecessor, { firstSeq: lastSeq, lastSeq }));
    return this.#finish(encoder, { mapping: undefined, part: 1, parts: 1 });
  }

  #finish(encoder: UnitRecordEncoder, { mapping, part, parts, incarnation }: RecordOf): Buffer {
    const head = {
      ...this.#head,
      protocol: PROTOCOL_VERSION,
      incarnation: incarnation ?? this.#till.incarnation,
      mappingVersion: mapping ?? this.#till.mappingVersion,
    };
    return encoder.finish({ ...head, part, parts });
  }
}

function unitIn(bytes: Buffer): Unit {
  const [unit] = decodeUnitRecord(bytes).units;
  if (unit === undefined) throw new PayflowError('INTERNAL', 'bytes of a unit hold none');
  return unit;
}
