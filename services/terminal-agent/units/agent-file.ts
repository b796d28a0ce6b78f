/**
 * The agent's own file beside payflow.db, so that its bookkeeping costs the app nothing: units, what was
 * published, and the incarnation of this till's history. A unit is durable here before it is published
 * (synchronous = FULL: a unit that a power cut takes back after it was published could be cut differently).
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { makeDataDir } from '../../shared/data-dir.ts';
import { keepPrivate } from '../../shared/private-files.ts';
import { inImmediate, openDatabase, type SqliteDatabase } from '../../shared/database/sqlite.ts';
import { CHANGE_SCHEMA } from '../up/change-store.ts';
import type { Waiting } from '../standing.ts';
import { ANOTHER, UnitStore, type SeqSpan } from './unit-store.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);

-- Cut once, never again. Seqs are those of its changes; part_ends: JSON array of each part's last.
CREATE TABLE IF NOT EXISTS unit (
  number INTEGER PRIMARY KEY,
  first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  changes INTEGER NOT NULL,
  hash BLOB NOT NULL,
  previous_hash BLOB NOT NULL,
  part_ends TEXT NOT NULL,
  cut_at_ms INTEGER NOT NULL,
  published_at_ms INTEGER,
  publications INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS unit_unpublished ON unit (number) WHERE published_at_ms IS NULL;
CREATE INDEX IF NOT EXISTS unit_by_seq ON unit (last_seq);
${CHANGE_SCHEMA}`;

/** In meta. */
const RENAMED_FROM = 'renamed_from';

export class AgentFile extends UnitStore {
  #incarnation: string;

  private constructor(db: SqliteDatabase, incarnation: string) {
    super(db);
    this.#incarnation = incarnation;
  }

  /** `<dataDir>/<terminal>.agent.db`, made when it is not there. */
  static open(dataDir: string, terminalId: string, newIncarnation: () => string = randomUUID): AgentFile {
    makeDataDir(dataDir, 'private');
    const file = join(dataDir, `${terminalId}.agent.db`);
    keepPrivate(file);
    const db = openDatabase(file, { mustExist: false });
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    const incarnation = inImmediate(db, () => {
      db.exec(SCHEMA);
      addColumns(db, 'registration', 'covers_time', 'mapping_version');
      const made = db
        .prepare(`INSERT OR IGNORE INTO meta (name, value) VALUES ('incarnation', ?)`)
        .run(newIncarnation());
      if (made.changes > 0) db.exec(`INSERT INTO meta (name, value) VALUES ('unused', '1')`);
      return db.prepare<[], string>(`SELECT value FROM meta WHERE name = 'incarnation'`).pluck().get() ?? '';
    });
    return new AgentFile(db, incarnation);
  }

  /** Of this till's history, random; made with the file, and anew when the file has to be told from another. */
  get incarnation(): string {
    return this.#incarnation;
  }

  /** The newest that was begun with this file; undefined in one that is new. */
  get registration(): number | undefined {
    const stored = this.getMeta('registration');
    return stored === undefined ? undefined : Number(stored);
  }

  /**
   * At each start: what the name that payflow.db was used under says of it.
   *
   *   the agent file     | payflow.db was used under   | then
   *   -------------------+-----------------------------+-------------------------------------------------------------
   *   is new             | another name                | the one that it had is lost, and with it what that had cut
   *   is new             | none                        | both are new
   *   is in order        | its name                    | it is the file that its units are of, as far as that says
   *   waits              | its name, or the one before | the same
   *   is in order, waits | any other                   | its units are not of that file, whatever entries that holds: what
   *                      |                             |   was settled of them before they were counted anew is not in it
   *
   * @param before the name; undefined: none
   * @returns whether what payflow.db has settled under that name is of changes that are here
   */
  claim(before: string | undefined): boolean {
    if (this.getMeta('unused') === undefined) {
      const names = [this.#incarnation, this.renamedFrom, this.waiting?.predecessor];
      if (before !== undefined && !names.includes(before)) this.doubt(ANOTHER);
      return this.cutEntries.id !== null && names.includes(before);
    }
    inImmediate(this.db, () => {
      if (before !== undefined && before !== this.#incarnation) {
        this.#wait({ why: 'the agent file of this till was lost', predecessor: before });
      }
      this.db.prepare(`DELETE FROM meta WHERE name = 'unused'`).run();
    });
    return false;
  }

  /** Entries that units of the versions before leave out: they were settled before a hand-over. */
  settledBefore(): SeqSpan[] {
    const table = `SELECT 1 FROM sqlite_master WHERE name = 'settled_before'`;
    if (this.db.prepare(table).get() === undefined) return [];
    return this.db
      .prepare<[], SeqSpan>('SELECT first_seq AS firstSeq, last_seq AS lastSeq FROM settled_before')
      .all();
  }

  /** Set while this file does not go on by itself. */
  get waiting(): Waiting | null {
    const text = this.getMeta('waiting');
    return text === undefined ? null : (JSON.parse(text) as Waiting);
  }

  /** Nothing is sent under the old name any more: another copy may bear it too. */
  renounce({ why, isAnotherFile }: Pick<Waiting, 'why' | 'isAnotherFile'>, newIncarnation: string): void {
    inImmediate(this.db, () => {
      this.#wait({ why, predecessor: this.#incarnation, isAnotherFile });
      this.setMeta('incarnation', newIncarnation);
      this.setMeta(RENAMED_FROM, this.#incarnation);
    });
    this.#incarnation = newIncarnation;
  }

  /** Before its name is sent. */
  announcing(): void {
    const { waiting } = this;
    if (waiting !== null && waiting.isAnnounced !== true) this.#wait({ ...waiting, isAnnounced: true });
  }

  /** Under which payflow.db may still note what is settled; undefined: it knows the new name. */
  get renamedFrom(): string | undefined {
    return this.getMeta(RENAMED_FROM);
  }

  /** payflow.db knows it. */
  renamed(): void {
    this.db.prepare('DELETE FROM meta WHERE name = ?').run(RENAMED_FROM);
  }

  #wait(waiting: Waiting): void {
    this.setMeta('waiting', JSON.stringify(waiting));
  }

  close(): void {
    this.db.close();
  }
}

/** Files of the versions before lack them. */
function addColumns(db: SqliteDatabase, ...names: string[]): void {
  for (const name of names) {
    const known = db.prepare(`SELECT 1 FROM pragma_table_info('unit') WHERE name = ?`).get(name);
    if (known === undefined) db.exec(`ALTER TABLE unit ADD COLUMN ${name} INTEGER`);
  }
}
