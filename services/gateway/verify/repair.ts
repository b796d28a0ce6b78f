/**
 * How a difference is mended: only by the ways that rows always take, and the centre decides as ever. Pure. Nothing is
 * deleted at the centre: a row that is gone from the till, without a word, may have been lost.
 *
 *   newer         | what is done, in this order
 *   --------------+----------------------------------------------------------------------------------------------------
 *   till          | the row is entered like its app's own changes, goes up, and is judged by the mapping's rules
 *   centre, or    | the centre's table is seeded into the streams again, and the till reads its stream from the
 *     nobody knows|   beginning
 *   centre, in a  | nothing: no row of it ever comes down
 *     table that  |
 *     only goes up|
 */
import type { ComparedTable } from '../../shared/verify/questions.ts';
import type { Difference } from './findings.ts';

export interface Repair {
  /** The till's rows are offered. */
  readonly offers: boolean;
  /** The centre's rows come again. */
  readonly readsAgain: boolean;
}

export function repairOf(
  differs: readonly Pick<Difference, 'newer'>[],
  { direction }: Pick<ComparedTable, 'direction'>,
): Repair {
  return {
    offers: differs.some(({ newer }) => newer === 'till'),
    readsAgain: direction !== 'pull' && differs.some(({ newer }) => newer !== 'till'),
  };
}
