/**
 * Which unit each origin of a record answers: header `o`, for every origin in order the first 16 bytes of its unit's
 * hash. Two copies of a till's file bear one incarnation, and number alike, until they know of each other; only the
 * unit's hash says whose change it is. A header, because tills read a record's value field by field, and those of the
 * version before pass over headers that they do not know.
 */
import type { Origin } from './change-record.ts';

export const ORIGIN_UNITS_HEADER = 'o';
export const ORIGIN_UNIT_BYTES = 16;

/** An origin as capture knows it. */
export interface AnswerOrigin extends Origin {
  /** Of the unit that held the change; null: the centre does not say. */
  readonly unitHash: Buffer | null;
}

/** Zero bytes where nothing is known, which no hash is. */
export function encodeOriginUnits(origins: readonly AnswerOrigin[]): Buffer {
  const header = Buffer.alloc(origins.length * ORIGIN_UNIT_BYTES);
  origins.forEach(({ unitHash }, index) => {
    unitHash?.copy(header, index * ORIGIN_UNIT_BYTES, 0, ORIGIN_UNIT_BYTES);
  });
  return header;
}

/** Whether the origin at `index` answers the unit of this hash; never where the record does not say. */
export function answersUnit(header: Buffer | undefined, index: number, unitHash: Buffer): boolean {
  const at = index * ORIGIN_UNIT_BYTES;
  const said = header?.subarray(at, at + ORIGIN_UNIT_BYTES);
  return said?.length === ORIGIN_UNIT_BYTES && unitHash.subarray(0, ORIGIN_UNIT_BYTES).equals(said);
}
