/**
 * The tills of this process that are apart from the others, and when each is tried again. Three kinds: those that wait
 * for a cause (payflow_sync.hold); those of which a part was refused lately, so that a till that sends refused rows in
 * a loop makes nobody's group fail but its own; and those with gaps, or parts of units, that have been looked through
 * in vain again and again. What comes of a till that is apart is stored behind what is held of it and applied by a
 * transaction of its own; nobody waits for it.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { sleep } from '../shared/lifecycle.ts';
import type { Group, GroupResult } from './group.ts';
import { holdCode, readHolds, type Hold, type Holds } from './holds.ts';
import { retryAfterMs } from './refusal-ladder.ts';

export interface WaitingOptions {
  readonly pool: Pool;
  readonly log: Logger;
  /** Told of all tills that wait, whenever that is looked at. */
  readonly onWaiting?: ((terminals: readonly string[]) => void) | undefined;
  readonly elapsedMs?: (() => number) | undefined;
}

/** Another process may have let a till wait, or gone on with one. */
const LOOK_EVERY_MS = 1_000;
/** Longer than a till that loops takes for a turn. */
const APART_MS = 60_000;
const TURN_MS = 100;
/** An honest till's gap is filled by then, or it is a long one: then 100 ms more are nothing. */
const LOOKS_IN_VAIN = 8;
/** Refused rows cost many times what others do: one that sends nothing else gets a fifth of the time. */
const REST_FACTOR = 4;

interface Apart {
  untilMs: number;
  /** Until when it rests after a try. */
  restUntilMs: number;
  /** Counts what was stored behind what is held of it. */
  stored: number;
  /** How much of that was looked for since. */
  seen: number;
}

export class Waiting {
  readonly #options: WaitingOptions;
  readonly #elapsedMs: () => number;
  #holds: Holds = { byTerminal: new Map(), nowMs: 0 };
  /** When they were asked for, by this process's clock. */
  #holdsAtMs = 0;
  #lookedAtMs = -Infinity;
  #looking: Promise<void> | null = null;
  /** Told to wait since the last look. */
  readonly #fresh = new Set<string>();
  readonly #refused = new Map<string, Apart>();
  readonly #partitions = new Map<string, number>();
  /** How often in a row nothing of what is held could have its turn. */
  readonly #inVain = new Map<string, number>();
  /** Whose cause has ended for somebody else. */
  readonly #hurry = new Set<string>();

  constructor(options: WaitingOptions) {
    this.#options = options;
    this.#elapsedMs = options.elapsedMs ?? (() => performance.now());
  }

  isApart(terminal: string): boolean {
    if (this.#fresh.has(terminal) || this.#holds.byTerminal.has(terminal)) return true;
    const refused = this.#refused.get(terminal);
    return refused !== undefined && (refused.untilMs > this.#elapsedMs() || refused.stored > refused.seen);
  }

  get apart(): ReadonlySet<string> {
    const all = [...this.#fresh, ...this.#holds.byTerminal.keys(), ...this.#refused.keys()];
    return new Set(all.filter((terminal) => this.isApart(terminal)));
  }

  /** Kinds of writes for which tills wait, by `writeOf`. */
  get awaited(): ReadonlySet<string> {
    return new Set([...this.#holds.byTerminal.values()].map(({ write }) => write));
  }

  /** Takes in what a group came to. */
  note({ consumed, records, heldIds }: Group, { stopped, refusedTills, withHeld }: GroupResult): void {
    if (consumed !== null) {
      for (const terminal of withHeld) this.#partitions.set(terminal, consumed.partition);
      for (const terminal of refusedTills) this.#partitions.set(terminal, consumed.partition);
    }
    if (heldIds.length > 0 && stopped.length === 0)
      for (const { record } of records) this.#goesOn(record.terminal);
    if (heldIds.length > 0) for (const { record } of records) this.#inVain.delete(record.terminal);
    for (const terminal of refusedTills) this.#apart(terminal).untilMs = this.#elapsedMs() + APART_MS;
    if (consumed !== null)
      for (const terminal of withHeld) if (this.isApart(terminal)) this.#apart(terminal).stored += 1;
    for (const { terminal, failure, state } of stopped) {
      this.#fresh.add(terminal);
      this.#lookedAtMs = -Infinity;
      const level = state === 'trying' ? 'debug' : 'warn';
      this.#options.log[level](
        { code: holdCode(failure), cause: failure.code, table: failure.table, terminal, state },
        // PostgreSQL's words may quote what stood in a row; payflow_sync.hold has them.
        `terminal ${terminal} waits: ${failure.code} at ${failure.table === '' ? 'the centre' : failure.table}`,
      );
    }
  }

  /** What is held of it is worked off. */
  nothingLeft(terminal: string, seen: number): void {
    this.#goesOn(terminal);
    const apart = this.#refused.get(terminal);
    if (apart !== undefined) apart.seen = Math.max(apart.seen, seen);
  }

  /** It was looked for what may have its turn now, and nothing was found. */
  lookedInVain(terminal: string): void {
    const times = (this.#inVain.get(terminal) ?? 0) + 1;
    this.#inVain.set(terminal, times);
    if (times >= LOOKS_IN_VAIN) this.#apart(terminal).untilMs = this.#elapsedMs() + APART_MS;
  }

  /** Whether it waits for a cause. */
  isHeld(terminal: string): boolean {
    return this.#holds.byTerminal.has(terminal);
  }

  /** How often something was stored for it; to be asked before it is looked for. */
  storedFor(terminal: string): number {
    return this.#refused.get(terminal)?.stored ?? 0;
  }

  /** Looks who waits, if that is not known well enough. */
  async look(): Promise<void> {
    if (this.#elapsedMs() - this.#lookedAtMs < LOOK_EVERY_MS) return;
    this.#looking ??= this.#lookNow().finally(() => (this.#looking = null));
    await this.#looking;
  }

  async #lookNow(): Promise<void> {
    const before = [...this.#fresh];
    const atMs = this.#elapsedMs();
    this.#holds = await readHolds(this.#options.pool);
    this.#holdsAtMs = atMs;
    this.#lookedAtMs = atMs;
    for (const terminal of before) this.#fresh.delete(terminal);
    this.#options.onWaiting?.([...this.#holds.byTerminal.keys()]);
    for (const [terminal, { untilMs, stored, seen }] of this.#refused) {
      if (untilMs < atMs && stored <= seen) this.#refused.delete(terminal);
    }
  }

  /** Tries the tills of a partition, each when its time comes, until the signal is aborted. */
  async tryAll(
    partition: number,
    signal: AbortSignal,
    attempt: (terminal: string) => Promise<void>,
  ): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      const due = this.#dueOf(partition);
      for (const terminal of due) {
        if (signal.aborted) return;
        this.#hurry.delete(terminal);
        const startedMs = this.#elapsedMs();
        await attempt(terminal);
        const endedMs = this.#elapsedMs();
        const apart = this.#refused.get(terminal);
        if (apart !== undefined) apart.restUntilMs = endedMs + REST_FACTOR * (endedMs - startedMs);
      }
      await sleep(due.length > 0 ? 0 : TURN_MS, signal);
    }
  }

  /** Tries one till until it is known what becomes of what it waits with, or that it waits for the centre. */
  async untilJudged(terminal: string, attempt: () => Promise<void>): Promise<void> {
    while (this.isApart(terminal)) {
      this.#lookedAtMs = -Infinity;
      await this.look();
      const hold = this.#holds.byTerminal.get(terminal);
      const apart = this.#refused.get(terminal);
      if (hold === undefined && (apart === undefined || apart.stored <= apart.seen)) return;
      if (hold !== undefined && hold.state !== 'trying') return;
      if (hold !== undefined) await sleep(Math.max(0, this.#dueInMs(hold)));
      await attempt();
    }
  }

  #dueOf(partition: number): string[] {
    const held = [...this.#holds.byTerminal.values()].filter(
      (hold) => hold.partition === partition && (this.#hurry.has(hold.terminal) || this.#dueInMs(hold) <= 0),
    );
    const stored = [...this.#refused].filter(
      ([terminal, { stored, seen, restUntilMs }]) =>
        stored > seen &&
        restUntilMs <= this.#elapsedMs() &&
        this.#partitions.get(terminal) === partition &&
        !this.#holds.byTerminal.has(terminal),
    );
    return [...held.map(({ terminal }) => terminal), ...stored.map(([terminal]) => terminal)].filter(
      (terminal) => !this.#fresh.has(terminal),
    );
  }

  #dueInMs({ state, tries, triedAtMs }: Hold): number {
    const nowMs = this.#holds.nowMs + (this.#elapsedMs() - this.#holdsAtMs);
    return triedAtMs + retryAfterMs(state, tries) - nowMs;
  }

  /** Its first held records went through: others that wait for the same are tried at once. */
  #goesOn(terminal: string): void {
    const ended = this.#holds.byTerminal.get(terminal);
    if (ended === undefined) return;
    const byTerminal = new Map(this.#holds.byTerminal);
    byTerminal.delete(terminal);
    this.#holds = { ...this.#holds, byTerminal };
    // What was stored behind it in the meantime is looked for by the same attempt.
    this.#options.log.info(
      { terminal, cause: ended.code, table: ended.table },
      `terminal ${terminal} goes on`,
    );
    for (const hold of byTerminal.values()) if (hold.cause === ended.cause) this.#hurry.add(hold.terminal);
  }

  #apart(terminal: string): Apart {
    const known = this.#refused.get(terminal);
    if (known !== undefined) return known;
    const made = { untilMs: 0, restUntilMs: 0, stored: 0, seen: 0 };
    this.#refused.set(terminal, made);
    return made;
  }
}
