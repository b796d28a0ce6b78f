/**
 * Makes durable what the app has committed to the till file. With a write-ahead log and `synchronous = NORMAL`, which
 * SQLite advises, a commit waits for no disk: after a power cut the file may lack what the agent has put into a unit,
 * and the centre has. With a rollback journal every commit has waited itself.
 */
import { closeSync, fdatasyncSync, openSync } from 'node:fs';
import { PayflowError } from '../../shared/errors.ts';

export class WalFlush {
  readonly #wal: string;
  #fd: number | undefined;

  constructor(file: string) {
    this.#wal = `${file}-wal`;
  }

  /**
   * While the file is in WAL mode. SQLite holds no lock on the -wal, so that opening it takes none away.
   * @throws PayflowError TERMINAL_DB_REPLACED, TERMINAL_DB_IO
   */
  flush(): void {
    try {
      // For writing: on Windows only such a file can be flushed.
      this.#fd ??= openSync(this.#wal, 'r+');
      fdatasyncSync(this.#fd);
    } catch (cause) {
      const isGone = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
      throw new PayflowError(
        isGone ? 'TERMINAL_DB_REPLACED' : 'TERMINAL_DB_IO',
        `${this.#wal} cannot be made durable: ${String(cause)}`,
        { cause },
      );
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
