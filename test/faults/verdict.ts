/** What must hold when a fault is over: both sides equal, each sale exactly once, sums equal to the cent. */
import { OPEN_ENTRIES_SQL } from '../../services/terminal-agent/file/outbox-schema.ts';
import Database from 'better-sqlite3';
import { readFileSync } from 'node:fs';
import { compareTill, type Difference } from '../../scripts/support/compare.ts';
import type { Site } from '../../scripts/support/site.ts';
import { until } from '../../scripts/support/until.ts';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';
import { schemaFile } from '../../services/shared/paths.ts';
import type { Journal } from './load.ts';

/** @throws Error that says what is still missing at the deadline, or what is wrong for good. */
export async function assertConsistent(site: Site, journal: Journal, deadlineMs: number): Promise<void> {
  let unsettled = '';
  await until(
    () => {
      unsettled = unsettledEntries(site);
      return unsettled === '';
    },
    () => `all outbox entries settled (${unsettled})`,
    { deadlineMs, everyMs: 200 },
  );
  let differences: string[] = [];
  await until(
    async () => {
      differences = await allDifferences(site);
      return differences.length === 0;
    },
    () =>
      `both sides equal; ${differences.length} differences, first: ${differences.slice(0, 8).join(' | ')}`,
    { deadlineMs, everyMs: 500 },
  );
  await assertSales(site, journal);
}

function unsettledEntries(site: Site): string {
  const open = site.options.tills.map((till) => {
    const db = new Database(site.tillFile(till.id), { readonly: true });
    const count = db.prepare<[], number>(OPEN_ENTRIES_SQL).pluck().get() ?? 0;
    db.close();
    return { id: till.id, count };
  });
  return open
    .filter(({ count }) => count > 0)
    .map(({ id, count }) => `${id}: ${count}`)
    .join(', ');
}

async function allDifferences(site: Site): Promise<string[]> {
  const mapping = parseMapping(
    readFileSync(site.options.mappingFile ?? schemaFile('mapping.yaml'), 'utf8'),
    1,
  );
  const found: string[] = [];
  for (const till of site.options.tills) {
    const comparison = await compareTill({
      pool: site.pool,
      mapping,
      terminalId: till.id,
      storeId: till.store,
      file: site.tillFile(till.id),
    });
    found.push(...comparison.differences.map((difference) => `${till.id} ${describe(difference)}`));
  }
  return found;
}

function describe({ table, kind, row, detail }: Difference): string {
  return `${table} ${row}: ${kind} ${detail}`.trim();
}

async function assertSales(site: Site, journal: Journal): Promise<void> {
  const central = await site.pool.query<{
    order_number: string;
    copies: number;
    cents: string;
    paid: string;
    lines: string;
  }>(
    `SELECT o.order_number, count(*)::int AS copies, sum(round(o.total * 100))::text AS cents,
            sum((SELECT coalesce(sum(round(p.amount * 100)), 0) FROM payments p WHERE p.order_id = o.id))::text AS paid,
            sum((SELECT coalesce(sum(round(i.line_total * 100)), 0) FROM order_items i WHERE i.order_id = o.id))::text AS lines
       FROM orders o GROUP BY o.order_number`,
  );
  const wrong: string[] = [];
  const arrived = new Map(central.rows.map((row) => [row.order_number, row]));
  for (const [number, sale] of journal.sales) {
    const row = arrived.get(number);
    if (row === undefined) wrong.push(`${number} never arrived`);
    else if (row.copies !== 1) wrong.push(`${number} arrived ${row.copies} times`);
    else if ([row.cents, row.paid, row.lines].some((cents) => cents !== String(sale.totalCents))) {
      wrong.push(
        `${number}: sold ${sale.totalCents}, order ${row.cents}, payments ${row.paid}, lines ${row.lines} (cents)`,
      );
    }
  }
  for (const [number, { copies }] of arrived) {
    if (journal.sales.has(number)) continue;
    if (!journal.ofCopies.has(number)) wrong.push(`${number} was never sold`);
    else if (copies !== 1) wrong.push(`${number}, of a copy, arrived ${copies} times`);
  }
  if (wrong.length > 0) throw new Error(`${wrong.length} sales wrong: ${wrong.slice(0, 8).join(' | ')}`);
}
