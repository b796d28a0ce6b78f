/**
 * The app's own triggers must not run on central rows: its `stock − qty` would count a sale of another till
 * again. (Those that fill a search index must: see running-triggers.ts.) SQLite can't switch triggers off, so they are dropped and made again inside our transaction, from the
 * text that stands in the file at that moment; nobody else ever sees the file without them.
 *
 * After that every connection of the app has to read the schema again, tens of ms with all our triggers in it.
 * So only those are dropped that the write at hand would fire: a till's own sale that comes back is an update,
 * and a trigger that follows inserts stays.
 *
 * Ours are silent on central rows and stay too, except where very many rows of a table come at once while the
 * app is quiet: to be entered and left again costs each of them more than the row does.
 */
import Database from 'better-sqlite3';
import { readVirtualTables } from '../../shared/catalog/local-catalog.ts';
import { triggerHasConflictClause, writesOnlyVirtual } from '../../shared/catalog/trigger-targets.ts';
import type { TillHost } from '../till/till-host.ts';
import { quoteName } from '../till/local-schema.ts';
import { TRIGGER_NAME } from '../till/triggers.ts';
import { runsOnCentralRows } from './running-triggers.ts';
import type { TillTables } from './till-tables.ts';

export type WriteKind = 'insert' | 'update' | 'delete';

interface StandingTrigger {
  readonly name: string;
  readonly sql: string;
  /** What fires it; null: anything may. */
  readonly kind: WriteKind | null;
  /** Among all of its table, oldest first. */
  readonly rank: number;
}

interface TableTriggers {
  /** Writes that fire no trigger of the app any more. */
  readonly silent: Set<WriteKind>;
  readonly app: Taken;
  /** Of the app too; they run on central rows. */
  readonly running: readonly StandingTrigger[];
  /** Of a table of which many rows come; else empty, whatever stands there. */
  readonly ours: Taken;
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

export class AppTriggers {
  readonly #till: TillHost;
  readonly #tables = new Map<string, TableTriggers>();
  #virtual: ReadonlySet<string> | undefined;

  /** Local tables of which so many rows come that ours are taken away too. */
  readonly #bulk: ReadonlySet<string>;

  readonly #tablesOfTill: Pick<TillTables, 'byLocal'>;

  constructor(till: TillHost, bulk: ReadonlySet<string>, tables: Pick<TillTables, 'byLocal'>) {
    this.#till = till;
    this.#bulk = bulk;
    this.#tablesOfTill = tables;
  }

  /** Before a write of this kind to a table in this transaction. */
  readonly suspend = (table: string, kind: WriteKind): void => {
    const triggers = this.#tables.get(table) ?? this.#look(table);
    if (triggers.silent.has(kind)) return;
    triggers.silent.add(kind);
    this.#take(triggers.app, kind);
    this.#take(triggers.ours, kind);
  };

  /** Last thing before COMMIT; a rollback brings them back by itself. */
  restore(): void {
    const changed = [...this.#tables].filter(
      ([, { app, ours }]) => app.dropped.length + ours.dropped.length > 0,
    );
    if (changed.length === 0) return;
    for (const [, { app, running, ours }] of changed) {
      // The newest fires first: those that ran all the time are made again too, so that all keep their order.
      const again = app.dropped.length > 0 ? running : [];
      for (const { name } of again) this.#till.db.exec(`DROP TRIGGER ${quoteName(name)}`);
      const made = [...app.dropped, ...again, ...ours.dropped].sort((a, b) => a.rank - b.rank);
      for (const { sql } of made) this.#till.db.exec(sql);
    }
    // All of ours have to be newer than any of the app's.
    this.#till.triggersRestored(
      changed.flatMap(([table, { app }]) => (app.dropped.length > 0 ? [table] : [])),
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

  #look(table: string): TableTriggers {
    const all = this.#till.db
      .prepare<[string], { name: string; sql: string }>(
        `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid`,
      )
      .all(table)
      .map(({ name, sql }, rank) => ({ name, sql, kind: firedBy(sql), rank }));
    const ours = this.#bulk.has(table) ? all.filter(({ name }) => TRIGGER_NAME.test(name)) : [];
    const running = all.filter(({ name, sql }) => !TRIGGER_NAME.test(name) && this.#runs(table, sql));
    const apps = all.filter((trigger) => !TRIGGER_NAME.test(trigger.name) && !running.includes(trigger));
    // One that is not understood goes with any write, and the others with it, so that their order stays.
    const unclear = apps.some(({ kind }) => kind === null);
    const triggers: TableTriggers = {
      silent: new Set(),
      app: { standing: unclear ? apps.map((trigger) => ({ ...trigger, kind: null })) : apps, dropped: [] },
      running,
      ours: { standing: ours, dropped: [] },
    };
    this.#tables.set(table, triggers);
    return triggers;
  }

  #runs(table: string, sql: string): boolean {
    const bound = this.#till.binding.tables.get(table);
    this.#virtual ??= readVirtualTables(this.#till.db);
    const fillsIndex = writesOnlyVirtual(sql, this.#virtual);
    const conflictClause = triggerHasConflictClause(sql);
    const resting = this.#tablesOfTill.byLocal(table)?.writer.resting ?? 'none';
    // What failed before fails the app too until it is mended: its row counts, or waits.
    if (resting === 'all' || (resting === 'index' && fillsIndex)) return false;
    const mode = bound?.mapping.appTriggers ?? 'auto';
    return runsOnCentralRows({ fillsIndex, conflictClause }, mode, bound?.local) && this.#compiles(table);
  }

  /** A module or a tokenizer of the app's own is not there in our process: its index can't be written by us. */
  #compiles(table: string): boolean {
    const name = quoteName(table);
    try {
      this.#till.db.prepare(`EXPLAIN INSERT INTO ${name} DEFAULT VALUES`).all();
      this.#till.db.prepare(`EXPLAIN DELETE FROM ${name}`).all();
      return true;
    } catch (error) {
      if (error instanceof Database.SqliteError && error.code === 'SQLITE_ERROR') return false;
      throw error;
    }
  }
}
