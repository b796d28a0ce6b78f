/** The end of the tour: everything is settled, then both sides are held against each other. */
import type { DemoSite } from '../demo-site.ts';
import { ASKED_SELDOM, isOnline } from '../demo-site.ts';
import { judgeSales, readSales } from '../sales-ledger.ts';
import { eurosText } from '../screen.ts';
import type { Tour } from '../tour.ts';
import type { SyncJob } from './offline.ts';

const SHOWN = 20;

/** @returns whether nothing is missing, extra or different, and every sale is at head office exactly once */
export async function showVerdict(tour: Tour): Promise<boolean> {
  const { site, screen } = tour;
  screen.step('Are both sides equal?');
  for (const till of site.tills) {
    const connected = `${till.id} is connected to the gateway`;
    await site.services.waitFor(() => isOnline(site, till), connected, ASKED_SELDOM);
  }
  // First everything up, then everything down: what a till's pull caused reaches the others too.
  await syncAll(site, 'pull');
  await syncAll(site, 'push');
  const differences: string[] = [];
  for (const till of site.tills) differences.push(...(await compareOne(tour, till)));
  for (const till of site.tills) {
    const ledger = judgeSales(await readSales(site.headOffice, till));
    differences.push(...ledger.differences);
    if (ledger.differences.length === 0)
      screen.good(
        `${till.id}: each of its ${ledger.sales} sales once at head office, ${eurosText(ledger.cents)}, to the cent`,
      );
  }
  const letters = Number(await site.headOffice.text('SELECT count(*) FROM payflow_sync.dead_letter'));
  if (letters > 0) differences.push(`${letters} changes were refused (GET /api/v1/dead-letters)`);
  for (const difference of differences.slice(0, SHOWN)) screen.bad(difference);
  if (differences.length > SHOWN) screen.bad(`… and ${differences.length - SHOWN} more`);
  return differences.length === 0;
}

/** Several tills at once, by the same call that a person would make. */
async function syncAll({ gateway }: DemoSite, direction: 'pull' | 'push'): Promise<void> {
  const job = await gateway.post<SyncJob>('/sync', { all: true, direction, wait: true, timeoutMs: 60_000 });
  if (job.state === 'done') return;
  const parts = job.terminals.map(
    ({ terminalId, state, error }) => `${terminalId} ${state} ${error?.message ?? ''}`,
  );
  throw new Error(`sync of all tills (${direction}) is ${job.state}: ${parts.join(', ')}`);
}

async function compareOne({ site, screen }: Tour, till: DemoSite['tills'][number]): Promise<string[]> {
  const { tables, differences } = await site.compare(till);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const checked = `${rows} rows in ${tables.length} tables`;
  if (differences.length === 0) screen.good(`${till.id}: ${checked}, nothing missing, extra or different`);
  else screen.bad(`${till.id}: ${checked}, ${differences.length} differences`);
  return differences.map(({ table, kind, row, detail }) =>
    `${till.id} ${table} ${row}: ${kind} ${detail}`.trimEnd(),
  );
}
