/**
 * What operators change in the exceptions of a progress row. Pure. A number that leaves them counts as applied;
 * one that becomes discarded is given up for good.
 *
 *   number is      retried, applied    discarded     skipped
 *   rejected       leaves              discarded     –
 *   discarded      stays               stays         stays
 *   held           stays               stays         –
 *   none (applied) stays               stays         –
 *   not reached    –                   –             discarded, with all up to the first held unit
 */
import type { ExceptionRange } from './admission.ts';

export function hasRejected(exceptions: string): boolean {
  return exceptions.includes('"rejected"');
}

/** @param to null: they are applied */
export function decideRejected(exceptions: string, seqs: readonly number[], to: 'discarded' | null): string {
  const decided = [...new Set(seqs)].sort((a, b) => a - b);
  const ranges: ExceptionRange[] = [];
  for (const range of JSON.parse(exceptions) as ExceptionRange[]) {
    const [first, last, kind] = range;
    const inside = decided.filter((seq) => seq >= first && seq <= last);
    if (kind !== 'rejected' || inside.length === 0) {
      ranges.push(range);
      continue;
    }
    let from = first;
    for (const seq of inside) {
      if (seq > from) ranges.push([from, seq - 1, 'rejected']);
      if (to !== null) ranges.push([seq, seq, to]);
      from = seq + 1;
    }
    if (from <= last) ranges.push([from, last, 'rejected']);
  }
  return JSON.stringify(joined(ranges));
}

/** Numbers that never came and never will. */
export function addDiscarded(exceptions: string, firstSeq: number, lastSeq: number): string {
  if (lastSeq < firstSeq) return exceptions;
  const ranges = JSON.parse(exceptions) as ExceptionRange[];
  return JSON.stringify(joined([...ranges, [firstSeq, lastSeq, 'discarded']]));
}

function joined(ranges: readonly ExceptionRange[]): ExceptionRange[] {
  const result: ExceptionRange[] = [];
  for (const [first, last, kind] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = result.at(-1);
    if (before !== undefined && before[2] === kind && first <= before[1] + 1) {
      result[result.length - 1] = [before[0], Math.max(before[1], last), kind];
    } else result.push([first, last, kind]);
  }
  return result;
}
