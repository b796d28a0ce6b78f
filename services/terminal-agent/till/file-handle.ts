/**
 * The till file as the operating system has it, beside SQLite: to make durable what the app has committed, and to read
 * what stands in the file itself.
 *
 * With a write-ahead log and `synchronous = NORMAL`, which SQLite advises, a commit waits for no disk, nor does one
 * with `OFF`: after a power cut the file may lack what the agent has put into a unit, and the centre has.
 *
 * Closing a descriptor of a file takes away all locks that the process has on it (POSIX), SQLite's too: this one is
 * kept from before the database is opened until it is closed. On a -wal SQLite holds no locks.
 */
import { closeSync, fdatasyncSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ErrorCode } from '../../shared/error-codes.ts';
import { PayflowError } from '../../shared/errors.ts';

/** https://www.sqlite.org/fileformat.html#the_database_header */
const MAGIC = Buffer.from('SQLite format 3\0');
const HEADER_BYTES = 100;
const CHANGE_COUNTER_AT = 24;

export class FileHandle {
  readonly #file: string;
  readonly #fd: number;
  #walFd: number | undefined;
  #isClosed = false;

  /**
   * Before the database is opened: another file that comes to the path between the two is then told from this one.
   * @throws PayflowError TERMINAL_DB_REPLACED, TERMINAL_DB_READ_ONLY, TERMINAL_DB_IO
   */
  constructor(file: string) {
    this.#file = file;
    this.#fd = fromDisk(file, () => openSync(file, 'r+'));
  }

  /** Which file it is. */
  identity(): string {
    return identityOf(fromDisk(this.#file, () => fstatSync(this.#fd, { bigint: true })));
  }

  /**
   * How often its first page was written, as the file itself says it: a checkpoint, a VACUUM or a restore through SQLite
   * never takes it back. undefined: no database stands there.
   */
  changeCounter(): number | undefined {
    const header = Buffer.alloc(HEADER_BYTES);
    const bytes = fromDisk(this.#file, () => readSync(this.#fd, header, 0, HEADER_BYTES, 0));
    const isDatabase = bytes === HEADER_BYTES && header.subarray(0, MAGIC.length).equals(MAGIC);
    return isDatabase ? header.readUInt32BE(CHANGE_COUNTER_AT) : undefined;
  }

  /** @throws PayflowError TERMINAL_DB_REPLACED, TERMINAL_DB_IO */
  flush({ isWal }: { readonly isWal: boolean }): void {
    const wal = `${this.#file}-wal`;
    if (isWal) {
      // For writing: on Windows only such a file can be flushed.
      fromDisk(wal, () => fdatasyncSync((this.#walFd ??= openSync(wal, 'r+'))));
    } else fromDisk(this.#file, () => fdatasyncSync(this.#fd));
  }

  /** After the database. Once: the number may be another file's by then. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#fd);
    if (this.#walFd !== undefined) closeSync(this.#walFd);
  }
}

export function identityOf({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${dev}:${ino}`;
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'TERMINAL_DB_REPLACED',
  EACCES: 'TERMINAL_DB_READ_ONLY',
  EPERM: 'TERMINAL_DB_READ_ONLY',
  EROFS: 'TERMINAL_DB_READ_ONLY',
};

/** What the disk or a network drive says against it. */
export function fromDisk<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (cause) {
    const said = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const message = `${path}: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new PayflowError(CODES[said] ?? 'TERMINAL_DB_IO', message, { cause });
  }
}
