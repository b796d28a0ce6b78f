/**
 * What speaks for and against the centre, when a part of a till has failed: the tills that wait now, dead letters
 * that others left, and what went through since. Facts only; refusal-ladder.ts judges them.
 */
import { openLettersOf, type Hold, type Holds } from './holds.ts';
import {
  causeOf,
  gradeOf,
  judge,
  PASSING_TRIES,
  writeOf,
  type Facts,
  type Failure,
  type Verdict,
} from './refusal-ladder.ts';
import type { Session } from './rows/sql.ts';

/** When writes last went through in this process, by `writeOf`; of others the holds tell. */
export class Passes {
  readonly #elapsedMs: () => number;
  readonly #at = new Map<string, number>();
  readonly #begunMs: number;

  constructor(elapsedMs: () => number = () => performance.now()) {
    this.#elapsedMs = elapsedMs;
    this.#begunMs = elapsedMs();
  }

  note(writes: Iterable<string>): void {
    const now = this.#elapsedMs();
    for (const write of writes) this.#at.set(write, now);
  }

  /** By this process's clock; null: not in this process. */
  lastMs(write: string): number | null {
    return this.#at.get(write) ?? null;
  }

  /** What was before this process began is not known to it. */
  get begunMs(): number {
    return this.#begunMs;
  }

  get nowMs(): number {
    return this.#elapsedMs();
  }
}

/** A refusal of long ago says nothing about the centre of today. */
const LETTERS_COUNT_MS = 3_600_000;

/** For one transaction. */
export class Judgement {
  readonly #holds: Holds;
  readonly #passes: Passes;
  /** Writes that went through in this transaction, on trial or for good. */
  readonly #passedNow = new Set<string>();
  /** By terminal: dead letters of others whose cause has turned out to be the centre's. */
  readonly #letters = new Map<string, readonly string[]>();

  /** What is to be added to this process's clock for the database's. */
  readonly #clockMs: number;

  constructor(holds: Holds, passes: Passes) {
    this.#holds = holds;
    this.#passes = passes;
    this.#clockMs = holds.nowMs - passes.nowMs;
  }

  /** A write like these went through. */
  passed(writes: Iterable<string>): void {
    for (const write of writes) this.#passedNow.add(write);
  }

  lettersFor(terminal: string): readonly string[] {
    return this.#letters.get(terminal) ?? [];
  }

  /** Whether its parts are worth going through one by one; when not, the till waits in any case. */
  mayBeRefused(terminal: string, failure: Failure): boolean {
    const grade = gradeOf(failure);
    if (grade === 'row') return true;
    return grade === 'passing' && this.#tries(terminal, failure) >= PASSING_TRIES;
  }

  async verdict(session: Session, terminal: string, failure: Failure): Promise<Verdict> {
    const grade = gradeOf(failure);
    const facts = this.facts(terminal, failure);
    const verdict = judge(grade, facts);
    if (verdict !== 'refuse' || facts.passesSince || failure.table === '') return verdict;
    // About to be refused for want of evidence: what others were refused for the same cause is some.
    const lastMs = this.#lastPassMs(writeOf(failure)) ?? this.#clockMs + this.#passes.begunMs;
    const sinceMs = Math.max(lastMs, this.#holds.nowMs - LETTERS_COUNT_MS);
    const letters = await openLettersOf(session, failure, { terminal, sinceMs });
    this.#letters.set(terminal, letters);
    return judge(grade, { ...facts, othersFail: letters.length > 0 });
  }

  facts(terminal: string, failure: Failure): Facts {
    const mine = this.#mine(terminal, failure);
    const cause = causeOf(failure);
    const passedMs = this.#lastPassMs(writeOf(failure));
    const othersFail = [...this.#holds.byTerminal.values()].some(
      (hold) =>
        hold.terminal !== terminal && hold.cause === cause && (passedMs === null || hold.sinceMs > passedMs),
    );
    const sinceMs = mine?.sinceMs ?? this.#holds.nowMs;
    const passesSince = this.#passedNow.has(writeOf(failure)) || (passedMs !== null && passedMs > sinceMs);
    return {
      tries: this.#tries(terminal, failure),
      othersFail: othersFail && !this.#passedNow.has(writeOf(failure)),
      passesSince,
    };
  }

  #tries(terminal: string, failure: Failure): number {
    const hold = this.#holds.byTerminal.get(terminal);
    const counts = hold !== undefined && (hold.cause === causeOf(failure) || hold.state !== 'centre');
    return (counts ? hold.tries : 0) + 1;
  }

  /** What this till waits for already, if it is this. */
  #mine(terminal: string, failure: Failure): Hold | null {
    const hold = this.#holds.byTerminal.get(terminal);
    return hold?.cause === causeOf(failure) ? hold : null;
  }

  /** By the database's clock. */
  #lastPassMs(write: string): number | null {
    const own = this.#passes.lastMs(write);
    let last = own === null ? null : own + this.#clockMs;
    for (const hold of this.#holds.byTerminal.values()) {
      if (hold.write !== write || hold.passedAtMs === null) continue;
      last = Math.max(last ?? 0, hold.passedAtMs);
    }
    return last;
  }
}
