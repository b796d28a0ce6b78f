/** The folder of a demo, and that only one demo at a time uses it. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { EmbeddedPostgres } from '../../services/shared/database/embedded-postgres.ts';
import { PayflowError } from '../../services/shared/errors.ts';
import type { Releaser } from '../../services/shared/lifecycle.ts';

const COMPLETE = 'complete';
/** As `openDatabase` names it in the data folder. */
const DATABASE = 'postgres';

export class DemoFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * @param fresh removes what an earlier demo left; so does a folder whose first start was interrupted
   * @throws PayflowError CONFLICT when another demo runs there
   */
  static take(path: string, fresh: boolean, onRelease: (undo: Releaser) => void): DemoFolder {
    mkdirSync(dirname(path), { recursive: true });
    const lock = lockFolder(path);
    onRelease(() => void lock.close());
    const folder = new DemoFolder(path);
    if (fresh || !folder.complete) folder.#clear();
    mkdirSync(path, { recursive: true });
    return folder;
  }

  /** The database may lie elsewhere. */
  #clear(): void {
    const database = EmbeddedPostgres.dataFolder(this.file(DATABASE));
    for (const path of [database, this.path]) rmSync(path, { recursive: true, force: true });
  }

  /** The shop in it was entered to its end. */
  get complete(): boolean {
    return existsSync(join(this.path, COMPLETE));
  }

  setComplete(): void {
    writeFileSync(join(this.path, COMPLETE), '');
  }

  file(...parts: string[]): string {
    return join(this.path, ...parts);
  }
}

/** A lock of the operating system, held by SQLite on an empty file: it goes with the process, kill -9 included. */
function lockFolder(path: string): Database.Database {
  const db = new Database(`${path}.lock`, { timeout: 0 });
  try {
    db.pragma('journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
    return db;
  } catch (cause) {
    db.close();
    throw new PayflowError('CONFLICT', `another demo is running in ${path}`, { cause });
  }
}
