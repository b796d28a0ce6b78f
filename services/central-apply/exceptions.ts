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

/** The progress row travels to the till with every group: a reason is a remark, not a letter. */
const REASON_CHARACTERS = 120;

function discardedRange(first: number, last: number, why: string | null): ExceptionRange {
  return why === null
    ? [first, last, 'discarded']
    : [first, last, 'discarded', why.slice(0, REASON_CHARACTERS)];
}

/** @param to null: they are applied */
export function decideRejected(
  exceptions: string,
  seqs: readonly number[],
  to: { readonly why: string | null } | null,
): string {
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
      if (to !== null) ranges.push(discardedRange(seq, seq, to.why));
      from = seq + 1;
    }
    if (from <= last) ranges.push([from, last, 'rejected']);
  }
  return JSON.stringify(joined(ranges));
}

/** Numbers that never came and never will. */
export function addDiscarded(
  exceptions: string,
  { firstSeq, lastSeq }: { readonly firstSeq: number; readonly lastSeq: number },
  why: string | null,
): string {
  if (lastSeq < firstSeq) return exceptions;
  const ranges = JSON.parse(exceptions) as ExceptionRange[];
  return JSON.stringify(joined([...ranges, discardedRange(firstSeq, lastSeq, why)]));
}

/** Ascending, disjoint, neighbours of one kind and reason together. */
export function joined(ranges: readonly ExceptionRange[]): ExceptionRange[] {
  const result: ExceptionRange[] = [];
  for (const range of [...ranges].sort((a, b) => a[0] - b[0])) {
    const [first, last, kind, reason] = range;
    const before = result.at(-1);
    if (before !== undefined && before[2] === kind && before[3] === reason && first <= before[1] + 1) {
      const upTo = Math.max(before[1], last);
      result[result.length - 1] =
        reason === undefined ? [before[0], upTo, kind] : [before[0], upTo, kind, reason];
    } else result.push(range);
  }
  return result;
}
