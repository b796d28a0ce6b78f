/**
 * The app's own triggers must not run on central rows: its `stock − qty` would count a sale of another till
 * again. SQLite can't switch triggers off, so they are dropped and made again inside our transaction, from the
 * text that stands in the file at that moment; nobody else ever sees the file without them.
 *
 * Ours are silent on central rows and stay, except where very many rows of a table come at once while the app
 * is quiet: their mere presence makes SQLite keep a journal of every statement, which costs more than the row.
 * (Not for a few rows: after a schema change every connection of the app has to read the schema again.)
 */
import type { TillHost } from '../till/till-host.ts';
import { quoteName } from '../till/local-schema.ts';
import { TRIGGER_NAME } from '../till/triggers.ts';

export class AppTriggers {
  readonly #till: TillHost;
  readonly #seen = new Set<string>();
  readonly #dropped = new Map<string, readonly string[]>();

  /** Local tables of which so many rows come that ours are taken away too. */
  readonly #bulk: ReadonlySet<string>;

  constructor(till: TillHost, bulk: ReadonlySet<string>) {
    this.#till = till;
    this.#bulk = bulk;
  }

  /** Before the first write to a table in this transaction. */
  readonly suspend = (table: string): void => {
    if (this.#seen.has(table)) return;
    this.#seen.add(table);
    const all = this.#triggersOf(table);
    const triggers = all.filter(({ name }) => !TRIGGER_NAME.test(name));
    const away = this.#bulk.has(table) ? all : triggers;
    if (away.length === 0) return;
    for (const { name } of away) this.#till.db.exec(`DROP TRIGGER ${quoteName(name)}`);
    this.#dropped.set(
      table,
      triggers.map(({ sql }) => sql),
    );
  };

  /** Oldest first: the order in which they are made again decides the order in which they fire. */
  #triggersOf(table: string): { readonly name: string; readonly sql: string }[] {
    return this.#till.db
      .prepare<[string], { name: string; sql: string }>(
        `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid`,
      )
      .all(table);
  }

  /** Last thing before COMMIT; a rollback brings them back by itself. */
  restore(): void {
    if (this.#dropped.size === 0) return;
    for (const statements of this.#dropped.values()) {
      for (const sql of statements) this.#till.db.exec(sql);
    }
    this.#till.triggersRestored(this.#dropped.keys());
  }
}
