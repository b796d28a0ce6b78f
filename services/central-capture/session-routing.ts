/** The parts of a session that decide where rows go, put together. */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { CentreState } from './centre-state.ts';
import type { AwaitedParents } from './routing/awaited-parents.ts';
import type { TransactionOrigins } from './routing/origins.ts';
import { Parents } from './routing/parents.ts';
import { RowRouter } from './routing/row-router.ts';
import { RowSender } from './routing/row-sender.ts';
import type { Routes } from './routing/routes.ts';
import { ChildLooks } from './seeding/child-looks.ts';
import type { Watermarks } from './seeding/watermarks.ts';
import type { DownStreams } from './streams/down-streams.ts';
import type { StreamWriter } from './streams/stream-writer.ts';
import type { TransactionWriter } from './streams/transaction-writer.ts';

export interface RoutingPartsOptions {
  readonly pool: Pool;
  readonly state: CentreState;
  readonly routes: Routes;
  readonly origins: TransactionOrigins;
  readonly watermarks: Watermarks;
  readonly streams: DownStreams;
  readonly awaited: AwaitedParents;
  readonly writer: TransactionWriter;
  readonly openStore: (storeId: string) => Promise<StreamWriter>;
  readonly oblige: () => () => void;
  /** Children are to be looked at again. */
  readonly onWork: () => void;
  readonly log: Logger;
}

export interface RoutingParts {
  readonly looks: ChildLooks;
  readonly sender: RowSender;
  readonly rows: RowRouter;
}

export function routingParts(options: RoutingPartsOptions): RoutingParts {
  const { pool, state, awaited, watermarks, writer, streams, origins, oblige, onWork } = options;
  const looks = new ChildLooks({ pool, epoch: state.epoch, awaited, oblige, onWork });
  const cache = () => rows.routes.cache;
  const parents = new Parents({ looks, awaited, watermarks, cache, xid: () => writer.xid });
  const sender = new RowSender({ writer, streams, origins, cache });
  const rows: RowRouter = new RowRouter({ ...options, sender, parents });
  return { looks, sender, rows };
}
