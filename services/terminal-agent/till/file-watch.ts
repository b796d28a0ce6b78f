/**
 * Whether it is worth asking SQLite if the till file changed. In WAL mode asking costs nobody anything. With a
 * rollback journal every question takes a read lock, and an app without a busy timeout whose COMMIT meets it
 * fails: so the file's time is looked at instead, which takes no lock, and SQLite is asked only after a change,
 * or once a second, because two commits may carry the same time.
 */
import { statSync } from 'node:fs';

export interface FileWatchOptions {
  readonly isWal: boolean;
  readonly now: () => number;
}

const ASK_ANYWAY_MS = 1000;

export class FileWatch {
  readonly #file: string;
  readonly #options: FileWatchOptions;
  #modifiedNs = -1n;
  #askedAt = -Infinity;

  constructor(file: string, options: FileWatchOptions) {
    this.#file = file;
    this.#options = options;
  }

  mayHaveChanged(): boolean {
    if (this.#options.isWal) return true;
    const now = this.#options.now();
    const modifiedNs = statSync(this.#file, { bigint: true }).mtimeNs;
    if (modifiedNs === this.#modifiedNs && now - this.#askedAt < ASK_ANYWAY_MS) return false;
    this.#modifiedNs = modifiedNs;
    this.#askedAt = now;
    return true;
  }
}
