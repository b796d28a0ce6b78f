/** Cut rows as units with their bytes: all pieces of a backlog come from one look, one after the other. Pure. */
import { PROTOCOL_VERSION } from '../../shared/records/change-record.ts';
import { piecesOf } from '../../shared/records/change-pieces.ts';
import { unitDigest } from '../../shared/records/unit-digest.ts';
import { UnitRecordEncoder } from '../../shared/records/unit-codec.ts';
import type { Unit, UnitChange } from '../../shared/records/unit-record.ts';
import type { NewUnit, UnitChain } from '../units/unit-rows.ts';
import {
  cutPoint,
  MAX_UNIT_BYTES,
  MAX_UNIT_CHANGES,
  PART_BYTES,
  pieceEnd,
  REFERENCE_REACH,
} from '../units/units.ts';
import { keptChange, type KeptChange } from './change-store.ts';
import type { CutChange } from './unit-changes.ts';

export interface CutFacts {
  readonly chain: UnitChain;
  readonly registration: number | undefined;
  readonly mappingVersion: number | undefined;
  readonly cutAtMs: number;
  readonly maxUnitChanges?: number | undefined;
  readonly maxUnitBytes?: number | undefined;
}

/** Of ordinary rows these are less than PART_BYTES. */
const PIECE_CHANGES = 500;

/** @param changes in order; no more of them are held than a unit needs to find its end */
export function* cutUnits(changes: Iterable<CutChange>, facts: CutFacts): Generator<NewUnit, undefined> {
  const { maxUnitChanges = MAX_UNIT_CHANGES, maxUnitBytes = MAX_UNIT_BYTES } = facts;
  const bounds = { wanted: PIECE_CHANGES, limit: maxUnitChanges };
  const ahead = new Ahead(changes, { count: maxUnitChanges + REFERENCE_REACH, bytes: 2 * maxUnitBytes });
  const isBacklog = ahead.held.length > maxUnitChanges;
  for (let { chain } = facts; ahead.held.length > 0;) {
    const names = ahead.held.map((change) => change.names);
    const wanted = isBacklog ? pieceEnd(names, bounds) : Math.min(names.length, maxUnitChanges);
    const fitting = countWithin(ahead.held, { count: wanted, bytes: maxUnitBytes });
    const isPlace = fitting === wanted && (isBacklog || wanted === names.length);
    const count = isPlace ? wanted : cutPoint(names, fitting);
    const unit = unitOf(ahead.take(count), { ...facts, chain });
    yield unit;
    chain = unit;
  }
  return undefined;
}

/** What comes next, as far as it is looked at. */
class Ahead {
  readonly held: CutChange[] = [];
  readonly #source: Iterator<CutChange>;
  readonly #most: { readonly count: number; readonly bytes: number };
  #bytes = 0;

  constructor(changes: Iterable<CutChange>, most: { readonly count: number; readonly bytes: number }) {
    this.#source = changes[Symbol.iterator]();
    this.#most = most;
    this.#fill();
  }

  take(count: number): CutChange[] {
    const taken = this.held.splice(0, count);
    for (const { change } of taken) this.#bytes -= sizeOf(change);
    this.#fill();
    return taken;
  }

  #fill(): void {
    while (this.held.length < this.#most.count && this.#bytes < this.#most.bytes) {
      const next = this.#source.next();
      if (next.done === true) return;
      this.held.push(next.value);
      this.#bytes += sizeOf(next.value.change);
    }
  }
}

/** How many of the next changes are no more than so many bytes; one at least. */
function countWithin(
  changes: readonly CutChange[],
  { count, bytes }: { readonly count: number; readonly bytes: number },
): number {
  let sum = 0;
  for (let at = 0; at < count; at += 1) {
    const next = changes[at];
    if (next === undefined) return at;
    sum += sizeOf(next.change);
    if (sum > bytes) return Math.max(1, at);
  }
  return count;
}

function unitOf(piece: readonly CutChange[], facts: CutFacts): NewUnit {
  const unit = facts.chain.number + 1;
  return newUnit(
    piece.map(({ change }) => change),
    piece.map(({ kept }) => keptChange({ ...kept, unit })),
    facts,
  );
}

/** The next of the chain, with these changes. */
export function newUnit(
  changes: readonly UnitChange[],
  kept: readonly KeptChange[],
  { chain, registration, mappingVersion, cutAtMs }: CutFacts,
): NewUnit {
  const number = chain.number + 1;
  const head = {
    number,
    firstSeq: changes[0]?.seq ?? chain.lastSeq + 1,
    lastSeq: changes.at(-1)?.seq ?? chain.lastSeq,
    hash: unitDigest({ registration, changes }),
    previousHash: chain.hash,
    registration,
  };
  const parts = partsOf({ ...head, changes });
  return {
    ...head,
    changes: changes.length,
    partEnds: parts.map(({ lastSeq }) => lastSeq),
    coversTime: true,
    mappingVersion,
    cutAtMs,
    parts: parts.map(({ bytes }) => bytes),
    kept,
  };
}

interface Part {
  readonly lastSeq: number;
  readonly bytes: Buffer;
}

function partsOf(unit: Unit): Part[] {
  const parts: Part[] = [];
  let changes: UnitChange[] = [];
  let bytes = 0;
  const finish = () => {
    const lastSeq = changes.at(-1)?.seq ?? 0;
    parts.push({ lastSeq, bytes: partBytes({ ...unit, changes }) });
    changes = [];
    bytes = 0;
  };
  for (const change of unit.changes.flatMap((each) => piecesOf(each))) {
    const size = sizeOf(change);
    if (bytes > 0 && bytes + size > PART_BYTES) finish();
    changes.push(change);
    bytes += size;
  }
  finish();
  return parts;
}

/** The bytes of a unit whose parts end at these changes. */
export function partsBetween(unit: Unit, ends: readonly number[]): Buffer[] {
  return ends.map((lastSeq, index) => {
    const before = ends[index - 1] ?? 0;
    const changes = unit.changes.filter(({ seq }) => seq > before && seq <= lastSeq);
    return partBytes({ ...unit, changes });
  });
}

/** A record of this unit alone: the head is made when it is published. */
export function partBytes(unit: Unit): Buffer {
  const encoder = new UnitRecordEncoder();
  encoder.add(unit);
  return encoder.finish({
    protocol: PROTOCOL_VERSION,
    terminal: '',
    incarnation: '',
    databaseId: '',
    mappingVersion: 0,
    keyVersion: 0,
    part: 1,
    parts: 1,
  });
}

/** About what it takes in a record. */
function sizeOf({ columns, references, others = [] }: UnitChange): number {
  let size = 64;
  for (const { target } of references) size += target === null ? 3 : 40;
  for (const { old, new: now, seen } of [...columns, ...others]) {
    const text = seen === undefined || seen === 'unknown' ? null : seen.text;
    for (const value of [old, now, text]) {
      size +=
        typeof value === 'string' ? Buffer.byteLength(value) : Buffer.isBuffer(value) ? value.length : 4;
    }
  }
  return size;
}
