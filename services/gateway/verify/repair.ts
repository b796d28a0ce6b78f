/**
 * How a difference is mended: only by the ways that rows always take, and the centre decides as ever. Pure.
 *
 *   newer         | what is done
 *   --------------+----------------------------------------------------------------------------------------------------
 *   till          | the till's table is looked through: what differs, is gone or is unknown there is entered like its
 *                 |   app's own changes, goes up, and is judged by the mapping's rules
 *   centre, or    | the centre's table is seeded into the streams again, and the till reads its stream from the
 *     nobody knows|   beginning; a row that its app has changed all the same goes up first
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
