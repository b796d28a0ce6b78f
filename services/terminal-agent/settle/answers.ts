/** What answers do to a row's base where no image comes with them. Pure; see row-state.ts. */
import type { Outcome } from '../../shared/records/change-record.ts';
import { answeredOf, expected, settled, type Cut, type RowState } from '../up/row-state.ts';

export interface AnsweredChange {
  readonly cut: Cut;
  readonly answer: Outcome | null;
}

export interface Answered<Change extends AnsweredChange> {
  /** In order; those that an answered insert made void have no answer of their own. */
  readonly changes: readonly Change[];
  readonly left: readonly Change[];
  /** B and its mark, were there no image. */
  readonly state: Pick<RowState, 'base' | 'mark'>;
}

/** @param isPulled no image of the table ever comes down: what was cut is what both sides have */
export function withAnswers<Change extends AnsweredChange>(
  row: Omit<RowState, 'flight'>,
  flight: readonly Change[],
  { isPulled }: { readonly isPulled: boolean },
): Answered<Change> {
  const changes = answeredOf(flight, ({ answer }) => answer !== null);
  const done = new Set(changes);
  let state: Pick<RowState, 'base' | 'mark'> = row;
  for (const { cut, answer } of changes) {
    const isRefused = answer === 'rejected' || answer === 'discarded';
    if (isPulled && !(isRefused && cut.op === 'c')) {
      state = { base: expected({ ...row, ...state, flight: [cut] }), mark: null };
    } else {
      state = settled({ ...row, ...state }, cut, isRefused ? 'refused' : 'applied');
    }
  }
  return { changes, left: flight.filter((change) => !done.has(change)), state };
}
