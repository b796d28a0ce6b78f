/**
 * The till's own file, payflow.db, as the agent holds it. It belongs to the app: we never change its journal
 * mode, never hold a lock longer than one short transaction, and commit seldom while the app writes (see
 * write-gate.ts). One agent at a time: whoever holds the lock beside the file.
 *
 * `foreign_keys` is OFF on our connection: a deferred key fails at COMMIT naming no row, and a cascade would
 * remove rows whose changes are not settled.
 */
import type { Statement } from 'better-sqlite3';
import type { Logger } from 'pino';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { inImmediate, realDatabasePath, type SqliteDatabase } from '../../shared/database/sqlite.ts';
import { withoutTables, type LocalBinding } from '../../shared/catalog/table-binding.ts';
import { AgentLock } from './agent-lock.ts';
import { claimFile, getMeta, INCARNATION_BEFORE, leaveName, setMeta, usedIncarnation } from './file-facts.ts';
import { FileHandle } from './file-handle.ts';
import { FileProof } from './file-proof.ts';
import { FileWatch } from './file-watch.ts';
import {
  isRead,
  mappingOfFile,
  metaOfRead,
  metaOfUnread,
  newestMapping,
  readMapping,
  tellUnread,
  type UnreadMapping,
} from './file-mapping.ts';
import { installOver } from '../take-over/take-over.ts';
import { bindFile } from './recorded-names.ts';
import { installSync, recreateTriggers } from './sync-install.ts';
import { openTillConnection } from './till-connection.ts';
import { WriteGate } from './write-gate.ts';

export interface TillDatabaseOptions {
  readonly file: string;
  /** As known from enrolment; a newer one that came through the log since is kept in the file. */
  readonly mapping: Mapping;
  /** Whose file this is; a file that says otherwise is a copy of another till's. */
  readonly terminalId: string;
  /** Of the agent file; see agent-file.ts. */
  readonly incarnation: string;
  /** Of the centre where the till is enrolled; a file that is linked with another one is refused. */
  readonly databaseId?: string | undefined;
  /** Whoever opens the file holds its lock already, and keeps it. */
  readonly isLocked?: boolean | undefined;
  readonly log: Logger;
  /** Only spans of it count: a till's wall clock that is set back would make us wait for hours. */
  readonly elapsedMs?: () => number;
}

/**
 * Pages of the write-ahead log after which a commit of ours copies them into the database: as the app's own
 * connection has it, and while a backlog comes in, when the same pages of every index would else be copied,
 * and the disk waited for, at each commit. The next ordinary commit (a heartbeat comes every few seconds)
 * clears away what a backlog leaves.
 */
const CHECKPOINT_PAGES = 1000;
const CHECKPOINT_PAGES_IN_BULK = 4000;

export class TillDatabase {
  readonly db: SqliteDatabase;
  readonly gate: WriteGate;
  readonly proof: FileProof;
  readonly terminalId: string;
  /** The incarnation under which the file was used when it was opened; undefined: no agent ever had it. */
  readonly incarnationBefore: string | undefined;
  #incarnation: string;
  /** Counts up whenever `binding` is made anew: statements prepared from an older one must be made again. */
  generation = 0;
  #mapping: Mapping;
  #unread: UnreadMapping | null = null;
  #binding: LocalBinding;
  #dataVersion: number;
  #schemaVersion = -1;
  #ownWrite = false;
  #checkpointPages = CHECKPOINT_PAGES;
  readonly #watch: FileWatch;
  readonly #handle: FileHandle;
  readonly #lock: AgentLock | null;
  readonly #databaseId: string | undefined;
  readonly #log: Logger;
  /** Asked every few ms, so prepared once. */
  readonly #versions: Record<'data_version' | 'schema_version', Statement<[], number>>;

  private constructor(
    { db, handle, lock }: { db: SqliteDatabase; handle: FileHandle; lock: AgentLock | null },
    options: TillDatabaseOptions,
  ) {
    this.db = db;
    const now = options.elapsedMs ?? (() => performance.now());
    this.gate = new WriteGate({ now });
    this.#lock = lock;
    this.#databaseId = options.databaseId;
    this.#log = options.log;
    this.proof = new FileProof(db);
    this.#handle = handle;
    this.#watch = new FileWatch({
      path: options.file,
      file: db.name,
      isWal: () => this.#isWal,
      now,
      identity: handle.identity(),
      changeCounter: () => handle.changeCounter(),
    });
    this.terminalId = options.terminalId;
    this.#incarnation = options.incarnation;
    this.incarnationBefore = usedIncarnation(db);
    this.#versions = {
      data_version: db.prepare<[], number>('PRAGMA data_version').pluck(),
      schema_version: db.prepare<[], number>('PRAGMA schema_version').pluck(),
    };
    this.#dataVersion = this.#pragma('data_version');
    const { mapping, unread } = newestMapping(db, options.mapping);
    this.#mapping = mappingOfFile(db, mapping, options.log);
    this.#setUnread(unread);
    this.#binding = this.#install(this.#mapping);
    this.proof.begin();
  }

  /**
   * Opens the file, takes the lock and installs or updates sync tables and triggers in one transaction.
   * @throws PayflowError TERMINAL_DB_MISSING, _READ_ONLY, _INVALID, _IN_USE, _BUSY, TERMINAL_FENCED,
   * TERMINAL_OTHER_CENTRE
   */
  static open(options: TillDatabaseOptions): TillDatabase {
    const file = realDatabasePath(options.file);
    const lock = options.isLocked === true ? null : AgentLock.take(file);
    let db: SqliteDatabase | undefined;
    let handle: FileHandle | undefined;
    try {
      handle = new FileHandle(file);
      db = openTillConnection(file);
      return new TillDatabase({ db, handle, lock }, options);
    } catch (error) {
      db?.close();
      handle?.close();
      lock?.release();
      throw error;
    }
  }

  /** Under which this file sends, as its agent file says. */
  get incarnation(): string {
    return this.#incarnation;
  }

  /** The agent file knows `incarnationBefore`. @param options.keepsSettled what was settled under that is of its changes */
  useIncarnation({ keepsSettled }: { readonly keepsSettled: boolean }): void {
    const before = this.getMeta(INCARNATION_BEFORE);
    if (before !== undefined)
      this.write(() => leaveName(this.db, { before, keepsSettled }, this.#incarnation));
  }

  /** The agent file has another one now. Done again where it was interrupted. */
  rename(before: string, incarnation: string): void {
    this.#incarnation = incarnation;
    this.write(() => leaveName(this.db, { before, keepsSettled: true }, incarnation));
  }

  get mapping(): Mapping {
    return this.#mapping;
  }

  /** The mapping joined with this file's tables. */
  get binding(): LocalBinding {
    return this.#binding;
  }

  get mappingVersion(): number {
    return this.#mapping.version;
  }

  /** Whether anything was committed since the last look, by the app or by `write`. For every few ms. */
  hasNews(): boolean {
    const ownWrite = this.#ownWrite;
    this.#ownWrite = false;
    return this.appCommitted() || ownWrite;
  }

  /**
   * Whether somebody else has committed since the last look (PRAGMA data_version): tells the write gate, and
   * puts the triggers right when the app changed its schema.
   * @throws PayflowError TERMINAL_DB_REPLACED
   */
  appCommitted(): boolean {
    this.#watch.check();
    return this.#appCommitted();
  }

  /** Binds what the app has changed of its schema; not inside a transaction. */
  followSchema(): void {
    if (!this.db.inTransaction && this.isSchemaAnother) this.rebind(this.#mapping);
  }

  #appCommitted(): boolean {
    if (!this.#watch.mayHaveChanged()) return false;
    const version = this.#pragma('data_version');
    if (version === this.#dataVersion) return false;
    this.gate.appWrote();
    if (this.isSchemaAnother) this.rebind(this.#mapping);
    this.#dataVersion = version;
    return true;
  }

  /** Reads the app's changed schema: binds and installs again. */
  rebind(given: Mapping): void {
    const mapping = mappingOfFile(this.db, given, this.#log);
    this.#binding = this.#install(mapping);
    this.#mapping = mapping;
    this.generation += 1;
  }

  /** Of the centre: a newer one than `mapping`, which goes on to hold. */
  get unreadMapping(): UnreadMapping | null {
    return this.#unread;
  }

  /** Stores a newer mapping, and binds it if this version can read it; a transaction of its own. */
  adoptMapping(version: number, source: string): void {
    const found = readMapping(source, version);
    this.write(() => {
      if (isRead(found)) this.rebind(found);
      const meta = isRead(found) ? metaOfRead(version, source) : metaOfUnread(version, source);
      for (const [name, value] of Object.entries(meta)) this.setMeta(name, value);
    });
    this.#setUnread(isRead(found) ? null : found);
    if (isRead(found)) this.#log.info({ version }, 'took a newer mapping');
  }

  #setUnread(unread: UnreadMapping | null): void {
    this.#unread = unread;
    if (unread !== null) tellUnread(unread, this.#mapping, this.#log);
  }

  getMeta(name: string): string | undefined {
    return getMeta(this.db, name);
  }

  /** Inside `write`. null removes it. */
  setMeta(name: string, value: string | null): void {
    setMeta(this.db, name, value);
  }

  /**
   * One write transaction of ours. The caller has asked `gate.waitMs()` before. Where the app has changed its schema since
   * that was bound, it is bound anew first: `body` can tell by `generation`.
   * @throws PayflowError TERMINAL_DB_REPLACED
   */
  write<T>(body: () => T): T {
    if (this.db.inTransaction) return body();
    for (;;) {
      const done = inImmediate(this.db, () => {
        this.proof.check();
        if (this.isSchemaAnother) return undefined;
        return { result: body(), committed: this.proof.count() };
      });
      if (done === undefined) this.rebind(this.#mapping);
      else {
        done.committed();
        this.#ownWrite = true;
        this.gate.committed();
        return done.result;
      }
    }
  }

  /**
   * Like `write`, for what can be read again from the log: with a write-ahead log the commit does not wait for
   * the disk. A power cut may take the newest of these back, offset and rows together, never part of one; the
   * app's own commits wait for the disk as ever, and for all that came before them.
   * @param inBulk very many rows, and the app is quiet
   */
  writeRepeatable<T>(body: () => T, { inBulk }: { readonly inBulk: boolean }): T {
    // Asked each time: the app may change the mode, and with a rollback journal NORMAL could damage the file.
    if (!this.#isWal) return this.write(body);
    this.#checkpointAfter(inBulk ? CHECKPOINT_PAGES_IN_BULK : CHECKPOINT_PAGES);
    this.db.pragma('synchronous = NORMAL');
    try {
      return this.write(body);
    } finally {
      this.db.pragma('synchronous = FULL');
    }
  }

  #checkpointAfter(pages: number): void {
    if (this.#checkpointPages === pages) return;
    this.db.pragma(`wal_autocheckpoint = ${pages}`);
    this.#checkpointPages = pages;
  }

  /**
   * Call last in a transaction that dropped triggers of the app on `tables` and created them again: puts ours
   * after them, because the newest trigger fires first (see key-triggers.ts).
   */
  triggersRestored(tables: Iterable<string>): void {
    for (const name of tables) {
      const table = this.#binding.tables.get(name);
      if (table !== undefined) recreateTriggers(this.db, table);
    }
    this.#schemaVersion = this.#pragma('schema_version');
  }

  /** What can be read of the file now survives a power cut. */
  makeDurable(): void {
    this.#handle.flush({ isWal: this.#isWal });
  }

  close(): void {
    this.db.close();
    this.#handle.close();
    this.#lock?.release();
  }

  #install(mapping: Mapping): LocalBinding {
    const { bound, schemaVersion } = inImmediate(this.db, () => {
      this.proof.check();
      const binding = bindFile(this.db, mapping);
      const { installed } = installOver(this.db, binding, () => {
        const failed = installSync(this.db, binding, this.#log);
        claimFile(this.db, {
          terminalId: this.terminalId,
          incarnation: this.#incarnation,
          databaseId: this.#databaseId,
        });
        return { installed: withoutTables(binding, failed) };
      });
      return { bound: installed, schemaVersion: this.#pragma('schema_version') };
    });
    // As it was in the transaction: what the app changes behind that is seen.
    this.#schemaVersion = schemaVersion;
    return bound;
  }

  get isSchemaAnother(): boolean {
    return this.#pragma('schema_version') !== this.#schemaVersion;
  }

  get #isWal(): boolean {
    return this.db.pragma('journal_mode', { simple: true }) === 'wal';
  }

  #pragma(name: 'data_version' | 'schema_version'): number {
    return this.#versions[name].get() ?? 0;
  }
}
