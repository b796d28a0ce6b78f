/**
 * Cuts what the app wrote into units. A read snapshot always ends on a committed state, so whatever became visible between
 * two looks is a whole number of the app's transactions: one unit. It is durable in the agent file before anybody publishes
 * it, with its bytes, and never cut again. Works without any network.
 */
import type { Logger } from 'pino';
import type { PayflowError } from '../shared/errors.ts';
import { type Health, type Service, sleep, supervise } from '../shared/lifecycle.ts';
import type { BoundTable, LocalBinding } from '../shared/catalog/table-binding.ts';
import { wrapSqliteError, type SqliteDatabase } from '../shared/database/sqlite.ts';
import { readNumbers } from './file/captured-tables.ts';
import { CentreColumns } from './file/centre-columns.ts';
import { EntryReader } from './file/entry-reader.ts';
import { FirstImages } from './file/first-images.ts';
import { unsweptSince, unsweptTables } from './file/unswept.ts';
import { keepUncut } from './file/keep-uncut.ts';
import { keepKeys, keptChange, keptEntry, NOTHING_KEPT, type Kept } from './file/kept-keys.ts';
import { isMendedOutside } from './mended-outside.ts';
import { parentKey } from './rows/parked.ts';
import { TillTables } from './rows/till-tables.ts';
import { takenRows } from './take-over/taken-changes.ts';
import { Flight } from './settle/flight.ts';
import { TillStanding } from './standing.ts';
import type { TillDatabase } from './till/till-database.ts';
import { ownTriggersOf } from './till/sync-install.ts';
import type { AgentFile } from './units/agent-file.ts';
import type { CutUnit } from './units/unit-rows.ts';
import { Registrations } from './units/registrations.ts';
import { Cutter } from './up/cutter.ts';
import { foldTables } from './up/folded-tables.ts';
import type { LookParts } from './up/look.ts';
import { amountText } from './up/row-values.ts';

export interface TillCaptureOptions {
  readonly till: TillDatabase;
  readonly agentFile: AgentFile;
  readonly log: Logger;
  readonly now?: (() => number) | undefined;
  readonly pollMs?: number | undefined;
  readonly maxUnitChanges?: number | undefined;
  /** Told after the app's entries were cut, and while tables wait to be looked through. */
  readonly onCut?: (() => void) | undefined;
  readonly onHealth?: ((health: Health) => void) | undefined;
  readonly standing?: TillStanding | undefined;
}

const POLL_MS = 5;
/** Of the time the cutting itself took: a till that is written to without pause keeps its processor. */
const REST_FACTOR = 4;

/** In the agent file: how often we had written to payflow.db when it was decided that it goes on. */
export const WRITES_BEFORE = 'writes_before';

export class TillCapture implements Service {
  readonly name = 'till-capture';
  readonly flight: Flight;
  readonly columns: CentreColumns;
  readonly firstImages: FirstImages;
  readonly #options: TillCaptureOptions;
  readonly #till: TillDatabase;
  readonly #agentFile: AgentFile;
  readonly #now: () => number;
  readonly #standing: TillStanding;
  readonly #registrations: Registrations;
  readonly #cutter: Cutter;
  #generation = -1;
  #parts!: LookParts;

  constructor(options: TillCaptureOptions) {
    this.#options = options;
    this.#till = options.till;
    this.#agentFile = options.agentFile;
    this.#now = options.now ?? Date.now;
    this.#standing = options.standing ?? new TillStanding();
    this.#registrations = new Registrations(options.till);
    const { db } = this.#till;
    this.columns = new CentreColumns(this.#till);
    this.firstImages = new FirstImages(this.#till, options.log);
    this.flight = new Flight({
      db,
      changes: this.#agentFile.changes,
      incarnation: () => this.#agentFile.incarnation,
      lastSeq: () => this.#agentFile.chain.lastSeq,
      lastEntry: () => this.#agentFile.cutEntries.upTo,
      holdsLastEntry: () => this.#holdsLastEntry(),
    });
    this.#followBinding();
    this.#cutter = new Cutter({
      ...options,
      registrations: this.#registrations,
      flight: this.flight,
      now: this.#now,
      mayCut: () => this.#standing.current.kind === 'ok' && !this.firstImages.areAwaited(),
      lookParts: () => this.#boundNow(),
    });
  }

  /**
   * At start, before anything else: the entry that was cut last is looked for. Without it payflow.db is an older copy, or
   * another file: nothing is cut then.
   */
  checkFile(): PayflowError | undefined {
    if (this.#agentFile.waiting !== null) return undefined;
    const { upTo, id } = this.#agentFile.cutEntries;
    const isOurs = id === null ? this.#hasAll() : this.#holdsLastEntry();
    if (isOurs) {
      if (id !== null) this.#till.proof.note({ seq: upTo, id });
      this.#registrations.adopt(this.#agentFile);
      return undefined;
    }
    const why =
      id === null
        ? `${this.#till.db.name} is older than when it was decided that it goes on`
        : `${this.#till.db.name} does not hold entry ${upTo}, which was cut from it`;
    this.#standing.set({ kind: 'fenced', why });
    return this.#standing.refusal;
  }

  #holdsLastEntry(): boolean {
    const { upTo, id } = this.#agentFile.cutEntries;
    return id === null || this.#till.proof.holds({ seq: upTo, id });
  }

  /** Nothing is cut yet: nothing of it may be older than what is known. */
  #hasAll(): boolean {
    const writes = Number(this.#agentFile.getMeta(WRITES_BEFORE) ?? 0);
    return this.#till.proof.writes >= writes;
  }

  /** Everything new becomes one unit (a backlog: several). @returns the first; undefined when nothing is new */
  cutUnit(): CutUnit | undefined {
    const unit = this.#cutter.cut();
    return unit === undefined ? undefined : { ...unit, publishedAtMs: null, publications: 0 };
  }

  /** AUTOINCREMENT's own count: entries go once nobody needs them. */
  #highest(): number {
    return this.#till.proof.highest();
  }

  /**
   * First in a transaction of ours that writes rows: all that the app wrote is cut, and the keys are kept. A row that can't
   * be cut now keeps its uncut entries.
   */
  settleIn(): Kept {
    if (this.#cutter.cut() !== undefined) this.#options.onCut?.();
    this.#followBinding();
    const { changes } = this.#agentFile;
    const { upTo } = this.#agentFile.cutEntries;
    const kept = this.flight.isOfThisFile ? keepKeys({ ...this.#parts, changes }, upTo) : NOTHING_KEPT;
    if (!this.#waits) return kept;
    const uncut = keepUncut({ ...this.#parts, changes }, this.#highest());
    return {
      noted: kept.noted,
      edited: [...kept.edited, ...uncut.edited],
      written: [...kept.written, ...uncut.written],
    };
  }

  /** Nothing is cut until the centre has said that this file goes on. */
  get #waits(): boolean {
    return this.#agentFile.waiting !== null || !this.flight.isOfThisFile;
  }

  /** Whether the app has written something that the kept keys do not know. */
  get isBehind(): boolean {
    return keptEntry(this.#till.db) < this.#highest();
  }

  /** `parentKey` of the rows of which something is not cut. */
  uncutRows(): Set<string> {
    const kept = keptEntry(this.#till.db);
    const { isOfThisFile } = this.flight;
    // Of another file, all that it still has to say is not.
    const after = isOfThisFile ? this.#agentFile.cutEntries.upTo : 0;
    const upTo = this.#highest();
    const taken = isOfThisFile ? [] : takenRows(this.#till.db, this.#parts.tables);
    if (upTo <= after) return new Set(taken);
    const { changes } = this.#agentFile;
    const folded = foldTables(
      this.#parts,
      { after: kept, upTo, cutUpTo: after },
      { cutAs: (table, rowEntry) => changes.handleOf(table, rowEntry) },
    );
    const uncut = folded.flatMap(({ table, rows }) =>
      rows.flatMap(({ touched: { entries, ousted }, handle }) => {
        const isUncut = (ousted?.seq ?? 0) > after || entries.some(({ seq }) => seq > after);
        return isUncut && handle !== undefined ? [parentKey(table.name, handle)] : [];
      }),
    );
    return new Set([...taken, ...uncut]);
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
    // What waits uncut, for rows that it refers to, was sold where the till stood before, too.
    const upTo = isRestored ? this.#agentFile.cutEntries.upTo : this.#highest();
    this.#registrations.begin(registration, before === undefined ? this.#agentFile.cutEntries.upTo : upTo);
  }

  /** Cuts all that is there. @returns the last unit ever cut: a flush waits for it */
  cutAll(): CutUnit | undefined {
    if (this.#cutter.cut() !== undefined) this.#options.onCut?.();
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
    let isFirst = true;
    while (!signal.aborted) {
      const startedAt = performance.now();
      if (this.#till.hasNews() || isFirst) {
        isFirst = false;
        const before = this.#agentFile.cutEntries.upTo;
        this.#cutter.cut();
        if (this.#agentFile.cutEntries.upTo > before || unsweptTables(this.#till.db).size > 0)
          this.#options.onCut?.();
      }
      ready();
      await sleep(Math.max(pollMs, REST_FACTOR * (performance.now() - startedAt)), signal);
    }
  }

  #boundNow(): LookParts {
    this.#till.followSchema();
    this.#followBinding();
    return this.#parts;
  }

  #followBinding(): void {
    if (this.#generation === this.#till.generation) return;
    this.#generation = this.#till.generation;
    const { db, binding } = this.#till;
    const tables = new TillTables(db, withRecorded(db, binding));
    const { tables: names, columns } = readNumbers(db);
    const retired = db.prepare('SELECT 1 FROM sync_retired WHERE table_name = ? AND identity = ?');
    this.#parts = {
      db,
      binding,
      tables,
      flight: this.flight,
      changes: this.#agentFile.changes,
      entries: new EntryReader(db, (number) => {
        const name = columns.get(number);
        return name === undefined ? undefined : { name, central: amountText };
      }),
      tableOf: (number) => tables.byLocal(names.get(number) ?? ''),
      keptChange: () => keptChange(db),
      isRetired: (table, identity) => retired.get(table, identity) !== undefined,
      rebuiltAfter: () => unsweptSince(db),
      isFillable: (table, column) => isOwnColumn(table, column) && this.columns.has(table, column),
    };
  }
}

/** Not one that only head office changes. */
function isOwnColumn({ columns }: BoundTable, name: string): boolean {
  return columns.find(({ local }) => local === name)?.options.direction !== 'push';
}

/** Tables that can't be installed any more, but are recorded as they were when they could: what they hold goes up. */
function withRecorded(db: SqliteDatabase, binding: LocalBinding): LocalBinding {
  const recorded = [...(binding.uninstallable ?? [])].filter(([name]) => ownTriggersOf(db, name).length > 0);
  if (recorded.length === 0) return binding;
  const tables = new Map([...binding.tables, ...recorded.map(([name, { bound }]) => [name, bound] as const)]);
  const left = new Map([...(binding.uninstallable ?? [])].filter(([name]) => !tables.has(name)));
  return { ...binding, tables, uninstallable: left };
}
