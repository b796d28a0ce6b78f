/**
 * Where the streams end, against what the slot has confirmed and what it sends again. Pure.
 *
 * PostgreSQL is only ever told the end of a transaction whose last record, which carries that end, is durable. So
 * by the tails of this epoch:
 *
 *   the tails                                        | it is
 *   -------------------------------------------------+------------------------------------------------------
 *   there are none                                   | a beginning: all is still to be seeded
 *   one is beyond the server's WAL end               | another history: the database was restored
 *   the newest names no end, though it ended         | an earlier version's, which confirmed more: adopted
 *   all are before what the slot has confirmed, or   | a loss: the slot was made anew or moved, or the log
 *   one breaks off in a transaction before that      |   lost its end
 *   else                                             | as it was left
 *
 *   a tail beyond what is confirmed                  | its commit has to come again
 *   a commit comes at its place, with its end        | it is that one
 *   another comes there, or a later one first        | another history: a disk of before went on from there
 *   a stream that nobody knew has a tail             | another history: streams are noted before they are written
 */
import { PayflowError } from '../../shared/errors.ts';
import {
  formatLsn,
  formatPosition,
  type CommitEnd,
  type Lsn,
  type Position,
} from '../../shared/records/position.ts';
import type { Tail } from './tail.ts';

export interface StreamTail {
  readonly topic: string;
  readonly tail: Tail;
}

export interface SlotFacts {
  readonly epoch: number;
  /** End of the server's WAL: nothing can stand later in a stream of this epoch. */
  readonly walEnd: Lsn;
  /** Up to here PostgreSQL was told that all is durable. */
  readonly confirmed: Lsn;
}

export interface TailVerdict {
  readonly state: 'beginning' | 'adopted' | 'lost' | 'as left';
  /** Commits that have to come again, oldest first. */
  readonly expected: readonly StreamTail[];
}

/** @throws PayflowError SLOT_LOST when a stream is ahead of the database */
export function judgeTails(all: readonly StreamTail[], facts: SlotFacts): TailVerdict {
  const { epoch, walEnd, confirmed } = facts;
  for (const { topic, tail } of all) {
    if (isAhead(tail.position, facts)) throw aheadOf(topic, tail.position, epoch);
  }
  const tails = all.filter(({ tail }) => tail.position.epoch === epoch && tail.position.lsn <= walEnd);
  const byPlace = [...tails].sort((a, b) => compare(a.tail.position.lsn, b.tail.position.lsn));
  const newest = byPlace.at(-1)?.tail;
  if (newest === undefined) return { state: 'beginning', expected: [] };
  const expected = byPlace.filter(({ tail }) => reachOf(tail) > confirmed || tail.position.lsn >= confirmed);
  if (newest.isLast && newest.end === undefined) return { state: 'adopted', expected };
  const isTorn = tails.some(({ tail }) => !tail.isLast && tail.position.lsn < confirmed);
  const isBefore = tails.every(({ tail }) => reachOf(tail) < confirmed);
  return { state: isTorn || isBefore ? 'lost' : 'as left', expected };
}

/** Watches that what stands in the streams comes again as it was. */
export class ResendWatch {
  #expected: readonly StreamTail[] = [];

  expect(expected: readonly StreamTail[]): void {
    this.#expected = expected;
  }

  /** @returns what shows that this is another history than the streams tell */
  committed(commitLsn: Lsn, end: CommitEnd): PayflowError | undefined {
    for (let [next] = this.#expected; next !== undefined; [next] = this.#expected) {
      const { position, end: known } = next.tail;
      if (position.lsn > commitLsn) return undefined;
      const isIt =
        position.lsn === commitLsn &&
        (known === undefined || (known.endLsn === end.endLsn && known.commitTimeUs === end.commitTimeUs));
      if (!isIt) return otherHistory(next, `the WAL has another commit at ${formatLsn(commitLsn)}`);
      this.#expected = this.#expected.slice(1);
    }
    return undefined;
  }

  /** A stream that was opened after the session began. @returns as `committed` */
  late(stream: StreamTail, facts: SlotFacts): PayflowError | undefined {
    const { position, end } = stream.tail;
    if (isAhead(position, facts)) return aheadOf(stream.topic, position, facts.epoch);
    if (position.epoch !== facts.epoch || end === undefined) return undefined;
    return otherHistory(stream, 'the database does not know that stream');
  }
}

function isAhead({ epoch, lsn }: Position, facts: SlotFacts): boolean {
  return epoch > facts.epoch || (epoch === facts.epoch && lsn > facts.walEnd);
}

/** Up to where PostgreSQL may have been told for the sake of this stream. */
function reachOf({ end, position }: Tail): Lsn {
  return end?.endLsn ?? position.lsn;
}

function aheadOf(topic: string, position: Position, epoch: number): PayflowError {
  return new PayflowError(
    'SLOT_LOST',
    `${topic} is at ${formatPosition(position)}, ahead of the database (epoch ${epoch})`,
  );
}

function otherHistory({ topic, tail }: StreamTail, why: string): PayflowError {
  return new PayflowError(
    'SLOT_LOST',
    `${topic} is at ${formatPosition(tail.position)}, and ${why}: the database went on from an older disk`,
    { details: { topic } },
  );
}

function compare(a: Lsn, b: Lsn): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
