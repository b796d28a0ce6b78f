/**
 * Watches the till file from outside of SQLite: whether it is worth asking whether it changed, and whether it is the
 * file that was opened at all.
 *
 * In WAL mode asking SQLite costs nobody anything. With a rollback journal every question takes a read lock, and an
 * app without a busy timeout whose COMMIT meets it fails: so the file's time is looked at instead, which takes no
 * lock, and SQLite is asked only after a change, or once a second, because two commits may carry the same time.
 *
 * Once a second, what became of the file at its path:
 *
 *   the path names                       | then
 *   -------------------------------------+--------------------------------------------------------------------------
 *   the file that was opened             | all is well
 *   nothing, or another file             | replaced: our connection serves a file that no app opens any more
 *   the same, without its -wal, or with  | replaced: it stays there as long as anybody has the file open
 *   another one                          |
 *   the same, whose change counter went   | replaced: copied over with an older one, and what our connection keeps of it
 *   back, or which is no database        | is of the file before
 */
import { statSync } from 'node:fs';
import { PayflowError } from '../../shared/errors.ts';
import { fromDisk, identityOf } from './file-handle.ts';

export interface FileWatchOptions {
  /** As configured: a link may come to lead to another file. */
  readonly path: string;
  /** The file itself, beside which its -wal lies. */
  readonly file: string;
  /** Asked each time: the app may change the journal mode. */
  readonly isWal: () => boolean;
  readonly now: () => number;
  /** The file that was opened. */
  readonly identity: string;
  /** As the file itself says it; undefined: it is no database. */
  readonly changeCounter: () => number | undefined;
}

interface Found {
  /** Of the file that stands there; undefined: none. */
  readonly file: string | undefined;
  readonly modifiedNs: bigint;
}

const ASK_ANYWAY_MS = 1000;
const LOOK_MS = 1000;
const NOTHING: Found = { file: undefined, modifiedNs: -1n };

export class FileWatch {
  readonly #options: FileWatchOptions;
  #wal: string | undefined;
  #isWal: boolean;
  #modifiedNs = -1n;
  #askedAt = -Infinity;
  #lookedAt: number;
  /** When the change counter was read, and the highest that it was. */
  #countedNs: bigint;
  #counter: number;

  /** Of a file that SQLite has open and has read. */
  constructor(options: FileWatchOptions) {
    this.#options = options;
    this.#countedNs = look(options.path).modifiedNs;
    this.#counter = options.changeCounter() ?? 0;
    this.#isWal = options.isWal();
    this.#wal = this.#isWal ? this.#walNow() : undefined;
    this.#lookedAt = options.now();
  }

  mayHaveChanged(): boolean {
    if (this.#isWal) return true;
    const now = this.#options.now();
    const { modifiedNs } = look(this.#options.path);
    if (modifiedNs === this.#modifiedNs && now - this.#askedAt < ASK_ANYWAY_MS) return false;
    this.#modifiedNs = modifiedNs;
    this.#askedAt = now;
    return true;
  }

  /** @throws PayflowError TERMINAL_DB_REPLACED, TERMINAL_DB_IO */
  check(): void {
    const now = this.#options.now();
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    const found = look(this.#options.path);
    if (found.file !== this.#options.identity)
      throw this.#replaced('is not the file any more that was opened');
    this.#checkWal();
    this.#checkCounter(found.modifiedNs);
  }

  #checkWal(): void {
    const wasWal = this.#isWal;
    this.#isWal = this.#options.isWal();
    const wal = this.#isWal ? this.#walNow() : undefined;
    if (this.#isWal && wasWal && wal !== this.#wal) throw this.#replaced('has lost its -wal');
    this.#wal = wal;
  }

  #walNow(): string | undefined {
    return look(`${this.#options.file}-wal`).file;
  }

  #checkCounter(modifiedNs: bigint): void {
    if (modifiedNs === this.#countedNs) return;
    const counter = this.#options.changeCounter();
    if (counter === undefined) throw this.#replaced('is no database any more');
    // As a number of 32 bits it begins again; that takes a till centuries.
    if (counter < this.#counter) throw this.#replaced('was copied over with an older one');
    this.#counter = counter;
    this.#countedNs = modifiedNs;
  }

  #replaced(what: string): PayflowError {
    return new PayflowError('TERMINAL_DB_REPLACED', `${this.#options.path} ${what}`);
  }
}

function look(path: string): Found {
  const stat = fromDisk(path, () => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return stat === undefined ? NOTHING : { file: identityOf(stat), modifiedNs: stat.mtimeNs };
}
