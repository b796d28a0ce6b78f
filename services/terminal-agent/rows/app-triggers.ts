/**
 * The app's own triggers must not run on central rows: its `stock − qty` would count a sale of another till
 * again. SQLite can't switch triggers off, so they are dropped and made again inside our transaction, from the
 * text that stands in the file at that moment; nobody else ever sees the file without them.
 *
 * After that every connection of the app has to read the schema again, tens of ms with all our triggers in it.
 * So only those are dropped that the write at hand would fire: a till's own sale that comes back is an update,
 * and a trigger that follows inserts stays.
 *
 * Ours are silent on central rows and stay too, except where very many rows of a table come at once while the
 * app is quiet: their mere presence makes SQLite keep a journal of every statement, which costs more than the
 * row.
 */
import type { TillHost } from '../till/till-host.ts';
import { quoteName } from '../till/local-schema.ts';
import { TRIGGER_NAME } from '../till/triggers.ts';

export type WriteKind = 'insert' | 'update' | 'delete';

interface AppTrigger {
  readonly name: string;
  readonly sql: string;
  /** What fires it; null: anything may. */
  readonly kind: WriteKind | null;
}

interface TableTriggers {
  /** Writes that fire no trigger of the app any more. */
  readonly silent: Set<WriteKind>;
  /** Oldest first: the order in which they are made again decides the order in which they fire. */
  readonly standing: AppTrigger[];
  readonly dropped: AppTrigger[];
  oursDropped: boolean;
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

  /** Local tables of which so many rows come that ours are taken away too. */
  readonly #bulk: ReadonlySet<string>;

  constructor(till: TillHost, bulk: ReadonlySet<string>) {
    this.#till = till;
    this.#bulk = bulk;
  }

  /** Before a write of this kind to a table in this transaction. */
  readonly suspend = (table: string, kind: WriteKind): void => {
    const triggers = this.#tables.get(table) ?? this.#look(table);
    if (triggers.silent.has(kind)) return;
    triggers.silent.add(kind);
    const { standing, dropped } = triggers;
    const fired = standing.filter((trigger) => trigger.kind === null || trigger.kind === kind);
    for (const trigger of fired) {
      this.#drop(trigger.name);
      standing.splice(standing.indexOf(trigger), 1);
      dropped.push(trigger);
    }
  };

  /** Last thing before COMMIT; a rollback brings them back by itself. */
  restore(): void {
    const changed = [...this.#tables].filter(
      ([, { dropped, oursDropped }]) => oursDropped || dropped.length > 0,
    );
    if (changed.length === 0) return;
    for (const [, { dropped }] of changed) {
      for (const { sql } of dropped) this.#till.db.exec(sql);
    }
    this.#till.triggersRestored(changed.map(([table]) => table));
  }

  #look(table: string): TableTriggers {
    const all = this.#till.db
      .prepare<[string], { name: string; sql: string }>(
        `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid`,
      )
      .all(table);
    const ours = all.filter(({ name }) => TRIGGER_NAME.test(name));
    const apps = all.filter(({ name }) => !TRIGGER_NAME.test(name));
    // One that is not understood goes with any write, and the others with it, so that their order stays.
    const unclear = apps.some(({ sql }) => firedBy(sql) === null);
    const standing = apps.map(({ name, sql }) => ({ name, sql, kind: unclear ? null : firedBy(sql) }));
    const oursDropped = this.#bulk.has(table) && ours.length > 0;
    if (oursDropped) for (const { name } of ours) this.#drop(name);
    const triggers: TableTriggers = { silent: new Set(), standing, dropped: [], oursDropped };
    this.#tables.set(table, triggers);
    return triggers;
  }

  #drop(name: string): void {
    this.#till.db.exec(`DROP TRIGGER ${quoteName(name)}`);
  }
}
