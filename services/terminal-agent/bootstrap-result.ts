/** What bootstrap did, in numbers, and the rows that it left without a link. */
import type { BootstrapResult, LeftRow } from '../shared/agent-protocol.ts';
import type { SqliteDatabase } from '../shared/database/sqlite.ts';
import type { TableOffer } from './bootstrap.ts';
import type { Flight } from './settle/flight.ts';
import type { ChangeStore } from './up/change-store.ts';

/** What became of the offered rows so far. */
export interface OfferOutcomes {
  readonly offered: number;
  readonly linked: number;
  readonly inserted: number;
  readonly refused: number;
}

/** So many rows are named; the numbers count all. */
export const NAMED_ROWS = 200;

/** Of the rows that were offered by changes after a number, by local table. */
export function offerOutcomes(
  changes: ChangeStore,
  flight: Flight,
  after: number,
): Map<string, OfferOutcomes> {
  const outcomes = flight.outcomes(after, changes.lastNumber());
  const tables = new Map<string, Record<keyof OfferOutcomes, number>>();
  for (const { table, number } of offersAfter(changes, after)) {
    const counts = tables.get(table) ?? { offered: 0, linked: 0, inserted: 0, refused: 0 };
    const outcome = outcomes.get(number);
    counts.offered += 1;
    if (outcome === 'applied') counts.inserted += 1;
    else if (outcome === 'merged' || outcome === 'duplicate' || outcome === 'lost') counts.linked += 1;
    else if (outcome === 'rejected' || outcome === 'discarded') counts.refused += 1;
    tables.set(table, counts);
  }
  return tables;
}

/** Those that the centre refused, as the file has it for the app. */
export function refusedRows(
  db: SqliteDatabase,
  {
    changes,
    flight,
    after,
  }: { readonly changes: ChangeStore; readonly flight: Flight; readonly after: number },
): LeftRow[] {
  const outcomes = flight.outcomes(after, changes.lastNumber());
  const why = db
    .prepare<[string, unknown], string>(
      'SELECT reason FROM sync_given_up WHERE table_name = ? AND row_key = ?',
    )
    .pluck();
  return offersAfter(changes, after)
    .filter(({ number }) => outcomes.get(number) === 'rejected' || outcomes.get(number) === 'discarded')
    .slice(0, NAMED_ROWS)
    .map(({ table, rowKey }) => ({
      table,
      key: String(rowKey),
      why: `the centre refused it: ${why.get(table, rowKey) ?? 'see its dead letter'}`,
    }));
}

function offersAfter(changes: ChangeStore, after: number) {
  return changes.after(after).filter(({ op }) => op === 'r');
}

/** @param rows that stay as they are, by local table */
export function noneResult(rows: ReadonlyMap<string, number>): BootstrapResult {
  const left = [...rows.values()].reduce((sum, count) => sum + count, 0);
  return { ...bootstrapResult(new Map(), new Map(), { dryRun: false, rows: [] }), left };
}

export function bootstrapResult(
  offers: ReadonlyMap<string, TableOffer>,
  outcomes: ReadonlyMap<string, OfferOutcomes>,
  { dryRun, rows }: Pick<BootstrapResult, 'dryRun' | 'rows'>,
): BootstrapResult {
  const total = { offered: 0, linked: 0, inserted: 0, listed: 0, refused: 0 };
  const tables: BootstrapResult['tables'] = {};
  for (const [table, { offered, listed }] of offers) {
    const { linked = 0, inserted = 0, refused = 0 } = outcomes.get(table) ?? {};
    const counts = { offered, linked, inserted, listed, refused };
    if (offered + listed === 0) continue;
    tables[table] = counts;
    for (const name of ['offered', 'linked', 'inserted', 'listed', 'refused'] as const)
      total[name] += counts[name];
  }
  return { ...total, dryRun, tables, rows, left: 0 };
}
