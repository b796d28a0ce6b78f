/** What one transaction of the apply side works with. */
import type { Logger } from 'pino';
import type { FirstImages } from './file/first-images.ts';
import type { Kept } from './file/kept-keys.ts';
import type { ParkedRows } from './rows/parked.ts';
import type { TillTables } from './rows/till-tables.ts';
import type { UnlinkedRows } from './rows/unlinked.ts';
import type { UnseenRows } from './rows/unseen.ts';
import type { Flight } from './settle/flight.ts';
import type { OwnUnits, Progress, StreamReach } from './settlement.ts';
import type { Checkpoints } from './streams/checkpoints.ts';
import type { TillHost } from './till/till-host.ts';

export interface ApplyTransactionParts {
  readonly till: TillHost;
  readonly tables: TillTables;
  readonly flight: Flight;
  /** First of all: what the app wrote is cut, and the keys are kept. */
  readonly cut: () => Kept;
  /** `parentKey` of rows of which something could not be cut. */
  readonly uncut: () => Set<string>;
  readonly parked: ParkedRows;
  readonly unlinked: UnlinkedRows;
  readonly unseen: UnseenRows;
  readonly firstImages: Pick<FirstImages, 'seeded'>;
  readonly ownUnits: OwnUnits;
  readonly checkpoints: Checkpoints;
  readonly catalogTopic: string;
  /** As stored, the offset of this transaction included once it is saved. */
  readonly reach: { readonly catalog: () => StreamReach; readonly store: () => StreamReach };
  readonly skipped: Set<string>;
  /** Nothing is settled: the file is not the one that made the changes. */
  readonly fenced: boolean;
  /** done: everything that the newest record accounts for is settled. */
  readonly progress: { readonly newest: Progress | null; readonly done: boolean };
  /** Local tables of which very many rows come. */
  readonly bulk: ReadonlySet<string>;
  readonly nowMs: number;
  readonly log: Logger;
}
