/**
 * Cuts what the app wrote into units. A read snapshot always ends on a committed state, so whatever became
 * visible between two looks is a whole number of the app's transactions: one unit. It is durable in the agent
 * file before anybody publishes it, and never cut again. Works without any network.
 */
import type { Logger } from 'pino';
import { PayflowError } from '../shared/errors.ts';
import { type Health, type Service, sleep, supervise } from '../shared/lifecycle.ts';
import { wrapSqliteError } from '../shared/database/sqlite.ts';
import { isMendedOutside } from './mended-outside.ts';
import { TillStanding } from './standing.ts';
import type { AgentFile, CutUnit, NewUnit, UnitChain } from './units/agent-file.ts';
import { Outbox, type OutboxEntry } from './units/outbox.ts';
import type { TillDatabase } from './till/till-database.ts';
import { Backlog } from './units/backlog.ts';
import { Registrations } from './units/registrations.ts';
import { type CutEntry, digestUnit } from './units/units.ts';

export interface TillCaptureOptions {
  readonly till: TillDatabase;
  readonly agentFile: AgentFile;
  readonly log: Logger;
  readonly now?: () => number;
  readonly pollMs?: number;
  readonly maxUnitChanges?: number;
  /** Told after units were cut. */
  readonly onCut?: () => void;
  readonly onHealth?: (health: Health) => void;
  readonly standing?: TillStanding | undefined;
}

const POLL_MS = 5;
/** Of the time the cutting itself took: a till that is written to without pause keeps its processor. */
const REST_FACTOR = 4;
/** A backlog ends: it may have half the processor until it is cut. */
const BACKLOG_REST_FACTOR = 1;
/**
 * Pieces of a backlog that are cut in one turn and made durable together. A turn is long in coming while the till
 * also settles what it sent.
 */
const PIECES_AT_ONCE = 8;

/** In the agent file: how often we had written to payflow.db when it was decided that it goes on. */
export const WRITES_BEFORE = 'writes_before';

export class TillCapture implements Service {
  readonly name = 'till-capture';
  readonly #options: TillCaptureOptions;
  readonly #till: TillDatabase;
  readonly #agentFile: AgentFile;
  readonly #outbox: Outbox;
  readonly #backlog: Backlog;
  readonly #now: () => number;
  readonly #standing: TillStanding;
  readonly #registrations: Registrations;
  #generation: number;
  /** The newest entry that was read for a unit. */
  #newest: OutboxEntry | undefined;

  constructor(options: TillCaptureOptions) {
    this.#options = options;
    this.#till = options.till;
    this.#agentFile = options.agentFile;
    this.#now = options.now ?? Date.now;
    this.#standing = options.standing ?? new TillStanding();
    this.#registrations = new Registrations(options.till);
    this.#outbox = new Outbox(options.till.db, (seq) => this.#agentFile.wasSettled(seq));
    this.#backlog = new Backlog({
      outbox: this.#outbox,
      cutEntry: (entry) => this.#cutEntry(entry),
      ...(options.maxUnitChanges !== undefined && { maxUnitChanges: options.maxUnitChanges }),
    });
    this.#generation = options.till.generation;
  }

  /**
   * At start, before anything else: the entries of the last unit are read and hashed again. Missing or
   * different ones mean that payflow.db is an older copy, or another file: nothing is cut then.
   */
  checkFile(): PayflowError | undefined {
    if (this.#agentFile.waiting !== null) return undefined;
    const last = this.#agentFile.last();
    if (last === undefined ? this.#hasAll() : this.#holds(last)) {
      this.#registrations.adopt(this.#agentFile);
      return undefined;
    }
    const why =
      last === undefined
        ? `${this.#till.db.name} is older than when it was decided that it goes on`
        : `${this.#till.db.name} does not hold unit ${last.number} (changes ${last.firstSeq} to ${last.lastSeq}) as it was published`;
    this.#standing.set({ kind: 'fenced', why });
    return this.#standing.refusal;
  }

  /** Without a unit: nothing of it may be older than what is known. */
  #hasAll(): boolean {
    const { chain } = this.#agentFile;
    const writes = Number(this.#agentFile.getMeta(WRITES_BEFORE) ?? 0);
    return this.#outbox.highestSeq() >= chain.lastSeq && this.#till.proof.writes >= writes;
  }

  #holds(unit: CutUnit): boolean {
    const entries = this.#outbox.entries(unit.firstSeq, unit.lastSeq);
    if (!digestUnit(entries, unit).hash.equals(unit.hash)) return false;
    const newest = entries.at(-1);
    if (newest !== undefined) this.#till.proof.note(newest);
    return true;
  }

  /** Everything new becomes one unit (a backlog: the first of several). @returns undefined when nothing is new */
  cutUnit(): CutUnit | undefined {
    const [unit] = this.#cut(1);
    return unit === undefined ? undefined : { ...unit, publishedAtMs: null, publications: 0 };
  }

  /** @returns what became durable together: one unit, or some pieces of a backlog; none when nothing is new */
  #cut(most: number): NewUnit[] {
    if (this.#standing.current.kind !== 'ok') return [];
    this.#followBinding();
    // Entries up to `highest` are committed and never change: they need no snapshot to be read.
    const highest = this.#outbox.highestSeq();
    const units: NewUnit[] = [];
    for (let chain: UnitChain = this.#agentFile.chain; units.length < most;) {
      const unit = highest > chain.lastSeq ? this.#next(chain, highest) : undefined;
      if (unit === undefined) break;
      units.push(unit);
      chain = unit;
    }
    // Now, not before: what was read is then of the file that we know, whatever comes to it next.
    this.#till.proof.check();
    if (highest < this.#agentFile.chain.lastSeq) throw olderFile(this.#till.db.name);
    if (units.length === 0) return units;
    this.#till.makeDurable();
    this.#agentFile.add(units);
    if (this.#newest !== undefined) this.#till.proof.note(this.#newest);
    return units;
  }

  /** A unit is of one registration: it says in whose store all of it was sold. */
  #next(chain: UnitChain, highest: number): NewUnit | undefined {
    for (let seq = chain.lastSeq + 1; seq <= highest;) {
      const { registration, lastSeq } = this.#registrations.at(seq);
      const end = Math.min(lastSeq, highest);
      const unit = this.#unit(chain, this.#backlog.next(seq, end), registration);
      if (unit !== undefined) return unit;
      seq = end + 1;
    }
    return undefined;
  }

  #unit(
    chain: UnitChain,
    entries: readonly OutboxEntry[],
    registration: number | undefined,
  ): NewUnit | undefined {
    const first = entries[0];
    const last = entries.at(-1);
    if (first === undefined || last === undefined) return undefined;
    this.#newest = last;
    return {
      number: chain.number + 1,
      firstSeq: first.seq,
      lastSeq: last.seq,
      changes: entries.length,
      previousHash: chain.hash,
      cutAtMs: this.#now(),
      registration,
      coversTime: true,
      ...digestUnit(entries, { registration, coversTime: true }),
    };
  }

  /**
   * The till was enrolled, perhaps for another store than before: what it sold until now was sold where it stood
   * then. That is cut first, under the number that the file knows; a crash on the way finds the old number still. Where
   * the agent file knows the number already, payflow.db was restored from before the move: what is not in a unit yet
   * was sold since.
   */
  beginRegistration(registration: number): void {
    if (this.#standing.current.kind !== 'ok') return;
    const before = this.#registrations.newest;
    if (before !== undefined && before >= registration) return;
    const isRestored = (this.#agentFile.registration ?? 0) >= registration;
    if (before !== undefined && !isRestored) this.cutAll();
    this.#agentFile.setMeta('registration', String(registration));
    this.#registrations.begin(registration, this.#agentFile.chain.lastSeq);
  }

  /** Cuts all that is there. @returns the last unit ever cut: a flush waits for it */
  cutAll(): CutUnit | undefined {
    let cut = 0;
    while (this.#cut(PIECES_AT_ONCE).length > 0) cut += 1;
    if (cut > 0) this.#options.onCut?.();
    return this.#agentFile.last();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, onHealth } = this.#options;
    const options = { log, endures: isMendedOutside, ...(onHealth === undefined ? {} : { onHealth }) };
    await supervise(signal, options, async (ready) => {
      try {
        await this.#watch(signal, ready);
      } catch (error) {
        throw wrapSqliteError(error, this.#till.db.name);
      }
    });
  }

  async #watch(signal: AbortSignal, ready: () => void): Promise<void> {
    const pollMs = this.#options.pollMs ?? POLL_MS;
    let look = true;
    while (!signal.aborted) {
      const startedAt = performance.now();
      if (this.#till.hasNews() || look) {
        look = this.#cut(PIECES_AT_ONCE).length > 0;
        if (look) this.#options.onCut?.();
      }
      ready();
      const factor = this.#backlog.remains(this.#agentFile.chain.lastSeq) ? BACKLOG_REST_FACTOR : REST_FACTOR;
      await sleep(Math.max(pollMs, factor * (performance.now() - startedAt)), signal);
    }
  }

  #cutEntry(entry: OutboxEntry): CutEntry {
    const { table } = entry.columns;
    const row = `${table}\0${String(entry.rowKey)}`;
    const names = [row, `${table}\0${entry.identity ?? ''}`];
    for (const column of this.#till.binding.tables.get(table)?.columns ?? []) {
      const value = entry.values[entry.columns.newIndex.get(column.local) ?? -1];
      if (column.reference === null || value === null || value === undefined) continue;
      names.push(`${column.reference.table}\0${String(value)}`);
    }
    return { seq: entry.seq, inserts: entry.op === 'c' ? row : null, names };
  }

  #followBinding(): void {
    if (this.#generation === this.#till.generation) return;
    this.#generation = this.#till.generation;
    this.#outbox.reset();
    this.#backlog.reset();
  }
}

function olderFile(file: string): PayflowError {
  return new PayflowError('TERMINAL_DB_REPLACED', `${file} holds fewer changes than were cut from it`);
}
