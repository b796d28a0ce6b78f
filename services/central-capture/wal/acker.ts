/**
 * The acknowledgement rule, and nothing else: PostgreSQL may forget a transaction once every record that it
 * led to is durable in every stream, and every transaction before it too. Pure.
 *
 * What may be said is the *end* of a commit record. One byte more would skip a transaction whose commit record
 * begins there; the commit's own LSN would make the server send it again. And only of a transaction that wrote
 * records: their last names that end, so that what PostgreSQL was told can always be found in a stream. What led to
 * no record, and the end of an idle WAL, wait for the next heartbeat.
 */
import type { Lsn } from '../../shared/records/position.ts';

interface OpenCommit {
  readonly endLsn: Lsn;
  /** By stream: how many of its records must be durable. */
  readonly needs: readonly (readonly [stream: string, records: number])[];
}

export class Acker {
  readonly #written = new Map<string, number>();
  readonly #durable = new Map<string, number>();
  /** Streams written by the transaction that is being read. */
  readonly #touched = new Set<string>();
  /** In commit order, oldest first; those before `#head` are settled. */
  #commits: OpenCommit[] = [];
  #head = 0;
  /** Number of commits ever settled, and ever made: positions in the queue that do not move. */
  #settled = 0;
  #made = 0;
  /** Open obligations, by the number of the commit they belong to. Ascending. */
  readonly #obligations = new Map<number, number>();
  #durableLsn: Lsn;
  #ackLsn: Lsn;
  /** Settled commits that may be said, but that an obligation keeps from being acknowledged. */
  #unacknowledged: { readonly number: number; readonly endLsn: Lsn }[] = [];

  constructor(start: Lsn = 0n as Lsn) {
    this.#ackLsn = start;
    this.#durableLsn = start;
  }

  /** Everything before it is durable. Never goes back. */
  get ackLsn(): Lsn {
    return this.#ackLsn;
  }

  /** Like `ackLsn`, but obligations are left out: what they do has to become durable itself. */
  get durableLsn(): Lsn {
    return this.#durableLsn;
  }

  /** The open transaction handed `records` more to the stream. */
  written(stream: string, records: number): void {
    this.#written.set(stream, (this.#written.get(stream) ?? 0) + records);
    this.#touched.add(stream);
  }

  commit(endLsn: Lsn): void {
    const needs = [...this.#touched].map((stream) => [stream, this.#written.get(stream) ?? 0] as const);
    this.#touched.clear();
    this.#commits.push({ endLsn, needs });
    this.#made += 1;
    this.#advance();
  }

  /** `records` more of the stream are durable, in the order in which they were handed over. */
  durable(stream: string, records: number): void {
    this.#durable.set(stream, (this.#durable.get(stream) ?? 0) + records);
    this.#advance();
  }

  /**
   * The open transaction led to work beyond its own records (rows that must be read again): neither it nor
   * anything later is acknowledged until the returned function is called, so that a crash brings the work back.
   */
  oblige(): () => void {
    const commit = this.#made;
    this.#obligations.set(commit, (this.#obligations.get(commit) ?? 0) + 1);
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      const left = (this.#obligations.get(commit) ?? 1) - 1;
      if (left === 0) this.#obligations.delete(commit);
      else this.#obligations.set(commit, left);
      this.#acknowledge();
    };
  }

  #advance(): void {
    for (; this.#head < this.#commits.length; this.#head += 1) {
      const commit = this.#commits[this.#head];
      if (commit === undefined || !this.#isDurable(commit)) break;
      this.#durableLsn = commit.endLsn;
      if (commit.needs.length > 0) {
        this.#unacknowledged.push({ number: this.#settled, endLsn: commit.endLsn });
      }
      this.#settled += 1;
    }
    this.#forgetSettled();
    this.#acknowledge();
  }

  #acknowledge(): void {
    const [limit = Infinity] = this.#obligations.keys();
    const kept = this.#unacknowledged.findIndex((commit) => commit.number >= limit);
    const last = this.#unacknowledged.at(kept === -1 ? -1 : kept - 1);
    if (kept === 0 || last === undefined) return;
    if (last.endLsn > this.#ackLsn) this.#ackLsn = last.endLsn;
    this.#unacknowledged = kept === -1 ? [] : this.#unacknowledged.slice(kept);
  }

  #isDurable({ needs }: OpenCommit): boolean {
    return needs.every(([stream, records]) => (this.#durable.get(stream) ?? 0) >= records);
  }

  /** Now and then, not at each step: removing from the front of an array moves all the rest. */
  #forgetSettled(): void {
    if (this.#head < 1_000 && this.#head < this.#commits.length) return;
    this.#commits = this.#commits.slice(this.#head);
    this.#head = 0;
  }
}
