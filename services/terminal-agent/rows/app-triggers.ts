/**
 * The app's own triggers must not run on central rows: its `stock − qty` would count a sale of another till
 * again. (Those that fill a search index must: see running-triggers.ts.) SQLite can't switch triggers off, so they are
 * dropped and made again inside our transaction, from the text that stands in the file at that moment; nobody else
 * ever sees the file without them.
 *
 * After that every connection of the app has to read the schema again, tens of ms with all our triggers in it.
 * So only those are dropped that the write at hand would fire: a till's own sale that comes back is an update,
 * and a trigger that follows inserts stays.
 *
 * Ours are silent on central rows and stay too, except where very many rows of a table come at once while the
 * app is quiet: to be entered and left again costs each of them more than the row does.
 */
import { readVirtualTables } from '../../shared/catalog/local-catalog.ts';
import { triggerHasConflictClause, writesOnlyVirtual } from '../../shared/catalog/trigger-targets.ts';
import type { TillHost } from '../till/till-host.ts';
import { compileProblem } from '../till/compile-check.ts';
import { quoteName } from '../till/local-schema.ts';
import { isOwnTrigger } from '../file/own-triggers.ts';
import { runsOnCentralRows } from './running-triggers.ts';
import type { TillTables } from './till-tables.ts';
import type { TableTriggers } from './write-guard.ts';

export type WriteKind = 'insert' | 'update' | 'delete';

interface StandingTrigger {
  readonly name: string;
  readonly sql: string;
  /** What fires it; null: anything may. */
  readonly kind: WriteKind | null;
  /** Among all of its table, oldest first. */
  readonly rank: number;
}

interface TriggersOfTable {
  /** Writes that fire no trigger of the app any more. */
  readonly silent: Set<WriteKind>;
  readonly app: Taken;
  /** Of the app too; they run on central rows. */
  readonly running: readonly RunningTrigger[];
  /** They were made again meanwhile, behind those that had to be newer. */
  outOfOrder: boolean;
  /** Of a table of which many rows come; else empty, whatever stands there. */
  readonly ours: Taken;
}

interface RunningTrigger extends StandingTrigger {
  readonly fillsIndex: boolean;
}

/** Oldest first: the order in which they are made again decides the order in which they fire. */
interface Taken {
  readonly standing: StandingTrigger[];
  readonly dropped: StandingTrigger[];
}

const NAME = /(?:"(?:[^"]|"")*"|\[[^\]]*\]|`(?:[^`]|``)*`|'(?:[^']|'')*'|[^\s.]+)/.source;
/** As SQLite stores it: without IF NOT EXISTS, otherwise as it was written. */
const HEAD = new RegExp(
  `^\\s*CREATE\\s+TRIGGER\\s+(?:${NAME}\\s*\\.\\s*)?${NAME}\\s+(?:BEFORE\\s+|AFTER\\s+)?(INSERT|UPDATE|DELETE)\\s`,
  'i',
);

/** What fires a trigger of a table, or null where its text is not understood (comments in its head, say). */
export function firedBy(sql: string): WriteKind | null {
  const kind = HEAD.exec(sql)?.[1]?.toLowerCase();
  return kind === 'insert' || kind === 'update' || kind === 'delete' ? kind : null;
}

export class AppTriggers implements TableTriggers {
  readonly #till: TillHost;
  readonly #tables = new Map<string, TriggersOfTable>();
  #virtual: ReadonlySet<string> | undefined;

  /** Local tables of which so many rows come that ours are taken away too. */
  readonly #bulk: ReadonlySet<string>;

  readonly #tablesOfTill: Pick<TillTables, 'byLocal'>;

  /** The table in the midst of whose `without` we are. */
  #lifted: string | null = null;

  constructor(till: TillHost, bulk: ReadonlySet<string>, tables: Pick<TillTables, 'byLocal'>) {
    this.#till = till;
    this.#bulk = bulk;
    this.#tablesOfTill = tables;
  }

  /** Before a write of this kind to a table in this transaction. */
  suspend(table: string, kind: WriteKind): void {
    const triggers = this.#of(table);
    if (triggers.silent.has(kind)) return;
    triggers.silent.add(kind);
    this.#take(triggers.app, kind);
    this.#take(triggers.ours, kind);
  }

  running(table: string): readonly RunningTrigger[] {
    return this.#lifted === table ? [] : this.#of(table).running;
  }

  without<T>(table: string, write: () => T): T {
    this.#lifted = table;
    this.#of(table).outOfOrder = true;
    try {
      return this.#lift(this.#of(table).running, write);
    } finally {
      this.#lifted = null;
    }
  }

  withoutIndexes<T>(table: string, write: () => T): T {
    return this.#lift(
      this.#of(table).running.filter(({ fillsIndex }) => fillsIndex),
      write,
    );
  }

  #lift<T>(triggers: readonly StandingTrigger[], write: () => T): T {
    const { db } = this.#till;
    for (const { name } of triggers) db.exec(`DROP TRIGGER ${quoteName(name)}`);
    try {
      return write();
    } finally {
      // Where the transaction went with a trigger, they stand again by themselves.
      if (db.inTransaction) for (const { sql } of triggers) db.exec(sql);
    }
  }

  /** Last thing before COMMIT; a rollback brings them back by itself. */
  restore(): void {
    const changed = [...this.#tables].filter(
      ([, { app, ours, outOfOrder }]) => outOfOrder || app.dropped.length + ours.dropped.length > 0,
    );
    if (changed.length === 0) return;
    for (const [, { app, running, ours, outOfOrder }] of changed) {
      // The newest fires first: those that ran all the time are made again too, so that all keep their order.
      const again = outOfOrder || app.dropped.length > 0 ? running : [];
      for (const { name } of again) this.#till.db.exec(`DROP TRIGGER ${quoteName(name)}`);
      const made = [...app.dropped, ...again, ...ours.dropped].sort((a, b) => a.rank - b.rank);
      for (const { sql } of made) this.#till.db.exec(sql);
    }
    // All of ours have to be newer than any of the app's.
    this.#till.triggersRestored(
      changed.flatMap(([table, { app, outOfOrder }]) =>
        outOfOrder || app.dropped.length > 0 ? [table] : [],
      ),
    );
  }

  #take({ standing, dropped }: Taken, kind: WriteKind): void {
    const fired = standing.filter((trigger) => trigger.kind === null || trigger.kind === kind);
    for (const trigger of fired) {
      this.#till.db.exec(`DROP TRIGGER ${quoteName(trigger.name)}`);
      standing.splice(standing.indexOf(trigger), 1);
      dropped.push(trigger);
    }
  }

  #of(table: string): TriggersOfTable {
    return this.#tables.get(table) ?? this.#look(table);
  }

  #look(table: string): TriggersOfTable {
    const all = this.#till.db
      .prepare<[string], { name: string; sql: string }>(
        `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid`,
      )
      .all(table)
      .map(({ name, sql }, rank) => ({ name, sql, kind: firedBy(sql), rank }));
    const ours = this.#bulk.has(table) ? all.filter(isOwnTrigger) : [];
    this.#virtual ??= readVirtualTables(this.#till.db);
    const virtual = this.#virtual;
    const ofApp = all
      .filter((trigger) => !isOwnTrigger(trigger))
      .map((trigger) => ({ ...trigger, fillsIndex: writesOnlyVirtual(trigger.sql, virtual) }));
    const running = this.#running(table, ofApp);
    const apps = ofApp.filter((trigger) => !running.includes(trigger));
    // One that is not understood goes with any write, and the others with it, so that their order stays.
    const unclear = apps.some(({ kind }) => kind === null);
    const triggers: TriggersOfTable = {
      silent: new Set(),
      app: { standing: unclear ? apps.map((trigger) => ({ ...trigger, kind: null })) : apps, dropped: [] },
      running,
      outOfOrder: false,
      ours: { standing: ours, dropped: [] },
    };
    this.#tables.set(table, triggers);
    return triggers;
  }

  #running(table: string, ofApp: readonly RunningTrigger[]): RunningTrigger[] {
    const bound = this.#till.binding.tables.get(table);
    if (bound === undefined) return [];
    const resting = this.#tablesOfTill.byLocal(table)?.writer.guard.resting.kind ?? 'none';
    const running = ofApp.filter(({ sql, fillsIndex }) => {
      // What failed before fails the app too until it is mended: its row counts, or waits.
      if (resting === 'all' || (resting === 'index' && fillsIndex)) return false;
      const trigger = { fillsIndex, conflictClause: triggerHasConflictClause(sql) };
      return runsOnCentralRows(trigger, bound.mapping.appTriggers, bound.local);
    });
    // A module or a tokenizer of the app's own is not there in our process: its index can't be written by us.
    return running.length > 0 && compileProblem(this.#till.db, bound) === undefined ? running : [];
  }
}
