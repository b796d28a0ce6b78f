/** What the apply side needs of the till's database; `TillDatabase` is it, tests may be smaller. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { UnreadMapping } from './file-mapping.ts';
import type { LocalBinding } from '../../shared/catalog/table-binding.ts';
import type { AppGate } from './write-gate.ts';

export interface TillHost {
  /** One connection, used synchronously: nobody keeps a transaction open over an await. foreign_keys is OFF. */
  readonly db: SqliteDatabase;
  readonly terminalId: string;
  readonly incarnation: string;
  readonly binding: LocalBinding;
  readonly mappingVersion: number;
  /** Counts up whenever `binding` is made anew. */
  readonly generation: number;
  /** Binds what the app has changed of its schema; not inside a transaction. */
  followSchema(): void;
  /** Than it was when `binding` was made. */
  readonly isSchemaAnother: boolean;
  /** How long a commit of ours still has to wait so that the app's own transactions do not fail; 0: now. */
  readonly gate: AppGate;
  getMeta(name: string): string | undefined;
  /** Inside `write`. */
  setMeta(name: string, value: string | null): void;
  write<T>(body: () => T): T;
  /** Like `write`, for what the log can bring again: durable with the app's next commit, whole or not at all. */
  writeRepeatable<T>(body: () => T, options: { readonly inBulk: boolean }): T;
  /** A newer mapping than the one that holds, which this version of the agent can't read. */
  readonly unreadMapping: UnreadMapping | null;
  /** Stores a newer mapping, and where it can be read binds it, rebuilds sync tables and triggers. */
  adoptMapping(version: number, source: string): void;
  /** After triggers of the app were dropped and made again on these tables. */
  triggersRestored(tables: Iterable<string>): void;
}
