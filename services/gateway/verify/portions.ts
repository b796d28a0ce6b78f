/** Of the buckets that differ, those whose rows are listed together. Pure. */
import { ROWS_IN_A_LIST } from '../../shared/verify/questions.ts';
import type { Buckets } from '../../shared/verify/row-digest.ts';

export interface Portion {
  readonly buckets: number[];
  rows: number;
}

/**
 * @param differing bucket, and its rows on the till
 * @returns buckets of not too many rows together, on the side that has more; one bucket at least
 */
export function portions(differing: readonly (readonly [number, number])[], centre: Buckets): Portion[] {
  const found: Portion[] = [];
  for (const [bucket, rowsOnTill] of differing) {
    const rows = Math.max(rowsOnTill, centre.rowsIn(bucket));
    let portion = found.at(-1);
    if (portion === undefined || portion.rows + rows > ROWS_IN_A_LIST)
      found.push((portion = { buckets: [], rows: 0 }));
    portion.buckets.push(bucket);
    portion.rows += rows;
  }
  return found;
}
