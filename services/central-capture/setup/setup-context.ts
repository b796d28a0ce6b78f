/** What the stages of setup are given, and what they answer with. */
import type { Pool, PoolClient } from 'pg';
import type { CentralTable } from '../../shared/catalog/central-catalog.ts';
import type { EventLog } from '../../shared/log/event-log.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';

export interface SetupOptions {
  readonly pool: Pool;
  readonly prefix: string;
  readonly mapping: Mapping;
  readonly eventLog: EventLog;
  /** undefined: as it was last set. */
  readonly horizonDays?: number | undefined;
  readonly upPartitions: number;
  /** Told, for a person, what setup waits for. */
  readonly onWait?: (text: string) => void;
}

/** Something that is missing, and how it is mended. */
export interface Todo {
  readonly what: string;
  mend(): Promise<void>;
  /** Of these tables something may be missing in the streams since it was wrong. */
  readonly tables?: readonly string[] | undefined;
}

export interface SetupContext extends SetupOptions {
  readonly horizonDays: number;
  readonly client: PoolClient;
  /** Mapped and internal tables that exist, by name. */
  readonly catalog: ReadonlyMap<string, CentralTable>;
  /** Tables that are, or have to be, mended. */
  readonly mended: ReadonlySet<string>;
  /** The tables of payflow_sync are all there. */
  readonly hasSchema: boolean;
}
