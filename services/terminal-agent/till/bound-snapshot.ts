/** Reads of the app's tables: it may drop, or make anew, any of them between our binding it and our reading it. */
import { inSnapshot } from '../../shared/database/sqlite.ts';
import type { TillHost } from './till-host.ts';

type Bound = Pick<TillHost, 'db' | 'followSchema' | 'isSchemaAnother'>;

/** Runs `body` on one snapshot, whose tables are those that are bound. Inside a transaction of ours they are anyway. */
export function inBoundSnapshot<T>(till: Bound, body: () => T): T {
  if (till.db.inTransaction) return body();
  for (;;) {
    till.followSchema();
    const read = inSnapshot(till.db, () => (till.isSchemaAnother ? undefined : { result: body() }));
    if (read !== undefined) return read.result;
  }
}
