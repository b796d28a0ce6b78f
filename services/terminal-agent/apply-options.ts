/** What the apply side of a till is given. */
import type { Logger } from 'pino';
import type { SchemaSource } from '../shared/records/envelope.ts';
import type { OwnUnits } from './settlement.ts';
import type { TillStanding } from './standing.ts';
import type { TillHost } from './till/till-host.ts';

export interface TillApplyOptions {
  readonly till: TillHost;
  readonly schemas: SchemaSource;
  readonly topics: { readonly catalog: string; readonly store: string };
  readonly log: Logger;
  /** How many records make a SQLite transaction, in whole central transactions. */
  readonly batchSize?: number;
  /** A central transaction of more records is applied in parts; also the limit while the app is writing. */
  readonly txRows?: number;
  readonly now?: () => number;
  /** How long the till may be away, until the centre says so. */
  readonly horizonDays?: number | undefined;
  readonly standing?: TillStanding | undefined;
  /** What the centre says of this till's units is compared with them. */
  readonly ownUnits: OwnUnits;
}
