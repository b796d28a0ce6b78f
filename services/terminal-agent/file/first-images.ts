/**
 * A till that had rows before its agent knows none of them. Those of `direction: push` are never offered: they are linked
 * by their images, and a sale that refers to one (its cashier, its store) can't be sent before. So until these images had
 * time to come, nothing is cut; the app sells on, and what it sells waits in the outbox.
 *
 *   the file was read into   | rows without a link, | their tables are seeded, nothing of | the streams | what is sold
 *   before, or this is over  | to which others refer| them waits, and all that stood in   | have gone on|
 *                            |                      | the streams is read                 | for long    |
 *   -------------------------+----------------------+-------------------------------------+-------------+------------
 *   yes                      |                      |                                     |             | is cut
 *   no                       | none                 | the latter                          |             | is cut: over
 *   no                       | none                 | no                                  |             | is cut
 *   no                       | some                 | yes                                 |             | is cut: over
 *   no                       | some                 | no                                  | yes         | is cut: over
 *   no                       | some                 | no                                  | no          | waits
 */
import type { Logger } from 'pino';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { getMeta, setMeta } from '../till/file-facts.ts';
import { quoteName, rowKeySql } from '../till/local-schema.ts';
import type { TillDatabase } from '../till/till-database.ts';
import { isPublished } from './captured-tables.ts';

/** Since when images are waited for, by the log's time; 0: the streams have not begun. */
const SINCE = 'first_images_since';
const OVER = 'over';
const SEEDED = 'first_images ';
/** A table of which no seeding ends, although the streams flow, keeps no sale for ever. */
const LONG_MS = 10 * 60 * 1000;

export class FirstImages {
  readonly #till: TillDatabase;
  readonly #log: Logger;
  #isOver: boolean;
  #isRead: () => boolean = () => false;
  #told = '';

  constructor(till: TillDatabase, log: Logger) {
    this.#till = till;
    this.#log = log;
    const since = getMeta(till.db, SINCE);
    this.#isOver = since === OVER || (since === undefined && newest(till.db).some((ms) => ms > 0));
  }

  /** @param isRead whether all is applied that stood in the streams when they were begun */
  readBy(isRead: () => boolean): void {
    this.#isRead = isRead;
  }

  /** Asked before each cut; inside a transaction of ours, too. */
  areAwaited(): boolean {
    if (this.#isOver) return false;
    const names = this.awaited;
    if (names.length === 0) {
      // What the app puts into such a table later is nothing that an image could be on its way for.
      if (this.#isRead()) this.#end();
      return false;
    }
    const haveCome = this.#isRead() && names.every((name) => this.#haveCome(name));
    if (haveCome || this.#haveFlowedLong()) {
      this.#end();
      return false;
    }
    this.#tell(names);
    return true;
  }

  /** Local tables of which rows have no link yet, and what is sold waits for them. */
  get awaited(): string[] {
    if (this.#isOver) return [];
    return referredTo(this.#till.binding.tables)
      .filter((table) => hasUnlinked(this.#till.db, table))
      .map(({ local }) => local.name);
  }

  /** All that the centre has of a table stands before this place of the stream. Inside a transaction of ours. */
  seeded(table: string): void {
    if (!this.#isOver && getMeta(this.#till.db, SINCE) !== undefined)
      setMeta(this.#till.db, SEEDED + table, '1');
  }

  /** One that waits for its own parent links nothing yet. */
  #haveCome(table: string): boolean {
    const { db } = this.#till;
    if (getMeta(db, SEEDED + table) === undefined) return false;
    return db.prepare('SELECT 1 FROM sync_parked WHERE table_name = ?').get(table) === undefined;
  }

  #haveFlowedLong(): boolean {
    const noted = getMeta(this.#till.db, SINCE);
    const since = Number(noted ?? 0);
    const streams = newest(this.#till.db);
    const oldest = streams.length > 1 ? Math.min(...streams) : 0;
    if (noted === undefined || (since === 0 && oldest > 0)) this.#note(String(oldest));
    return since > 0 && oldest - since > LONG_MS;
  }

  #end(): void {
    this.#note(OVER);
    this.#isOver = true;
  }

  #note(since: string): void {
    this.#till.write(() => setMeta(this.#till.db, SINCE, since));
  }

  #tell(tables: readonly string[]): void {
    const told = tables.join();
    if (told === this.#told) return;
    this.#told = told;
    this.#log.warn(
      { tables },
      'what is sold goes up once the rows of these tables are known from the centre',
    );
  }
}

function newest(db: SqliteDatabase): number[] {
  return db.prepare<[], number>('SELECT newest_record_ms FROM sync_stream').pluck().safeIntegers(false).all();
}

/** Tables of the centre alone, to which rows refer that go up. */
function referredTo(tables: ReadonlyMap<string, BoundTable>): BoundTable[] {
  const all = [...tables.values()];
  const names = new Set(
    all
      .filter(isPublished)
      .flatMap(({ columns }) => columns.flatMap(({ reference }) => reference?.table ?? [])),
  );
  return all.filter(
    (table) => names.has(table.local.name) && !isPublished(table) && table.local.key.length > 0,
  );
}

function hasUnlinked(db: SqliteDatabase, { local: { name, key } }: BoundTable): boolean {
  const kept = `SELECT 1 FROM ${quoteName(`sync_row_${name}`)} WHERE row_key = ${rowKeySql('source', key)}`;
  const sql = `SELECT 1 FROM ${quoteName(name)} AS source WHERE NOT EXISTS (${kept}) LIMIT 1`;
  return db.prepare(sql).get() !== undefined;
}
