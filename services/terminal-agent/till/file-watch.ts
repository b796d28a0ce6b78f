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
 *   the same, written while nobody       | replaced: copied over, and what our connection keeps of it is of the file
 *   committed                            | before
 */
import { statSync } from 'node:fs';
import { PayflowError } from '../../shared/errors.ts';

export interface FileWatchOptions {
  /** As configured: a link may come to lead to another file. */
  readonly path: string;
  /** The file itself, beside which its -wal lies. */
  readonly file: string;
  /** Asked each time: the app may change the journal mode. */
  readonly isWal: () => boolean;
  readonly now: () => number;
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
  readonly #opened: string | undefined;
  #wal: string | undefined;
  #isWal: boolean;
  #modifiedNs = -1n;
  #askedAt = -Infinity;
  #lookedAt: number;
  /** As it was when it was last known to be as SQLite left it. */
  #leftNs: bigint;
  #hasCommits = false;
  /** The time of a write that no commit explains yet. */
  #suspectNs: bigint | null = null;

  /** Of a file that SQLite has open and has read. */
  constructor(options: FileWatchOptions) {
    this.#options = options;
    const found = look(options.path);
    this.#opened = found.file;
    this.#leftNs = found.modifiedNs;
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

  /** Somebody has committed through SQLite since. */
  committed(): void {
    this.#hasCommits = true;
    this.#suspectNs = null;
  }

  /**
   * To be called after each look for commits.
   * @throws PayflowError TERMINAL_DB_REPLACED
   */
  check(): void {
    const now = this.#options.now();
    if (now - this.#lookedAt < LOOK_MS && this.#suspectNs === null) return;
    this.#lookedAt = now;
    const found = look(this.#options.path);
    if (found.file !== this.#opened) throw this.#replaced('is not the file any more that was opened');
    this.#checkWal();
    this.#checkWrites(found.modifiedNs);
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

  #checkWrites(modifiedNs: bigint): void {
    if (modifiedNs === this.#leftNs || this.#hasCommits || !this.#isWal) {
      this.#leftNs = modifiedNs;
      this.#hasCommits = false;
      this.#suspectNs = null;
    } else if (this.#suspectNs === null) {
      // A commit may have come since SQLite was asked: it is seen with the next look.
      this.#suspectNs = modifiedNs;
    } else throw this.#replaced('was written past SQLite');
  }

  #replaced(what: string): PayflowError {
    return new PayflowError('TERMINAL_DB_REPLACED', `${this.#options.path} ${what}`);
  }
}

function look(path: string): Found {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? NOTHING : { file: `${stat.dev}:${stat.ino}`, modifiedNs: stat.mtimeNs };
}
