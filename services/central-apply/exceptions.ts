/**
 * The exceptions of a progress row: numbers ≤ last_seq that are not in the central tables. Pure. A number that leaves
 * them counts as applied; one that becomes discarded is given up for good.
 *
 *   number is      refused     retried, applied    discarded     skipped
 *   rejected       stays       leaves              discarded     –
 *   discarded      stays       stays               stays         stays
 *   held           –           stays               stays         –
 *   none (applied) rejected    stays               stays         –
 *   not reached    –           –                   –             discarded, with all up to the first held unit
 */
export type ExceptionKind = 'held' | 'rejected' | 'discarded';
/** reason: in words; of a discarded one the operator's. */
export type ExceptionRange = readonly [
  firstSeq: number,
  lastSeq: number,
  kind: ExceptionKind,
  reason?: string,
];

/** A change that the centre did not take. */
export interface RefusedSeq {
  readonly seq: number;
  /** null where it was refused before, as another file of the till sent it: its dead letter has the reason. */
  readonly reason: string | null;
}

/** The progress row travels to the till with every group: a reason is a remark, not a letter. */
const REASON_CHARACTERS = 120;
/**
 * Of one till, refused and not decided on. An honest one whose every sale is refused gets this far in a week; by
 * then nobody reads its letters one by one, and its progress row has become what a group costs most.
 */
const MOST_REFUSED_CHANGES = 20_000;
const MOST_REFUSED_CHARACTERS = 256 * 1024;

export function hasRejected(exceptions: string): boolean {
  return exceptions.includes('"rejected"');
}

/** Whether a till has to wait until somebody decides on what was refused of it. */
export function isRefusedTooMuch(exceptions: string): boolean {
  if (!hasRejected(exceptions)) return false;
  const rejected = (JSON.parse(exceptions) as ExceptionRange[]).filter(([, , kind]) => kind === 'rejected');
  const changes = rejected.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  return changes > MOST_REFUSED_CHANGES || JSON.stringify(rejected).length > MOST_REFUSED_CHARACTERS;
}

/** Adds refused seqs: ascending, disjoint, neighbours of one reason joined. What is an exception already stays so. */
export function addRejected(exceptions: string, refused: readonly RefusedSeq[]): string {
  if (refused.length === 0) return exceptions;
  const ranges = JSON.parse(exceptions) as ExceptionRange[];
  const isOne = (seq: number) => ranges.some(([first, last]) => first <= seq && seq <= last);
  const added = refused
    .filter(({ seq }) => !isOne(seq))
    .map(({ seq, reason }): ExceptionRange =>
      reason === null ? [seq, seq, 'rejected'] : [seq, seq, 'rejected', reason.slice(0, REASON_CHARACTERS)],
    );
  return JSON.stringify(joined([...ranges, ...added]));
}

const MEANING: Readonly<Record<string, string>> = {
  '23502': 'a value is missing',
  '23503': 'what it refers to is not there',
  '23505': 'another row has this value already',
  '23514': 'the centre does not allow this value',
  '22001': 'a text is too long',
  '22003': 'a number is too large',
};

/**
 * Why a change was refused, as the till is told: the code and the constraint's name. Never the server's words, which
 * may quote another row.
 */
export function refusalReason(code: string, constraint: string | null): string {
  const name = constraint === null || constraint === '' ? code : `${code} ${constraint}`;
  const meaning = MEANING[code];
  return meaning === undefined ? name : `${name}: ${meaning}`;
}

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
    const [first, last, kind, ...reason] = range;
    const inside = decided.filter((seq) => seq >= first && seq <= last);
    if (kind !== 'rejected' || inside.length === 0) {
      ranges.push(range);
      continue;
    }
    let from = first;
    for (const seq of inside) {
      if (seq > from) ranges.push([from, seq - 1, 'rejected', ...reason]);
      if (to !== null) ranges.push(discardedRange(seq, seq, to.why));
      from = seq + 1;
    }
    if (from <= last) ranges.push([from, last, 'rejected', ...reason]);
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
