/** What the apply side of a till is given. */
import type { Logger } from 'pino';
import type { SchemaSource } from '../shared/records/envelope.ts';
import type { OwnUnits } from './settlement.ts';
import type { CentreColumns } from './file/centre-columns.ts';
import type { FirstImages } from './file/first-images.ts';
import type { Kept } from './file/kept-keys.ts';
import type { Flight } from './settle/flight.ts';
import type { TillStanding } from './standing.ts';
import type { TillHost } from './till/till-host.ts';

/** What the apply side needs of the way up: a row that the app has written is cut before anything is written to it. */
export interface CutFirst {
  readonly flight: Flight;
  /** Learned before an image shows them. */
  readonly columns: CentreColumns;
  readonly firstImages: Pick<FirstImages, 'seeded' | 'readBy' | 'awaited'>;
  /** First in a transaction of ours. */
  settleIn(): Kept;
  /** The app has written something that the kept keys do not know. */
  readonly isBehind: boolean;
  /** `parentKey` of the rows of which something could not be cut. */
  uncutRows(): Set<string>;
}

export interface TillApplyOptions {
  readonly capture: CutFirst;
  readonly till: TillHost;
  readonly schemas: SchemaSource;
  readonly topics: { readonly catalog: string; readonly store: string };
  readonly log: Logger;
  /** How many records make a SQLite transaction, in whole central transactions. */
  readonly batchSize?: number;
  /** A central transaction of more records is applied in parts; also the limit while the app is writing. */
  readonly txRows?: number;
  readonly now?: () => number;
  /** A span of time, in ms. */
  readonly elapsedMs?: (() => number) | undefined;
  /** How long the till may be away, until the centre says so. */
  readonly horizonDays?: number | undefined;
  readonly standing?: TillStanding | undefined;
  /** What the centre says of this till's units is compared with them. */
  readonly ownUnits: OwnUnits;
}
