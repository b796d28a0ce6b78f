/** Before the tour: the tills have what the centre has. New ones get it from the streams, from the beginning. */
import type { Comparison } from '../../support/compare.ts';
import type { DemoSite } from '../demo-site.ts';
import type { DemoTill } from '../demo-till.ts';
import type { Tour } from '../tour.ts';

export async function fillTills({ site, screen }: Tour): Promise<void> {
  const fills = await Promise.all(
    site.tills.map(async (till) => ({ till, comparison: await untilEqual(site, till) })),
  );
  for (const { till, comparison } of fills) {
    const rows = comparison.tables.reduce((sum, table) => sum + table.rows, 0);
    const filled = comparison.tables.filter((table) => table.rows > 0).length;
    screen.down(
      `${till.id} holds ${rows} rows in ${filled} of ${comparison.tables.length} tables, from the streams`,
    );
  }
}

async function untilEqual(site: DemoSite, till: DemoTill): Promise<Comparison> {
  let comparison = await site.compare(till);
  await site.services.waitFor(
    async () => {
      comparison = await site.compare(till);
      return comparison.differences.length === 0;
    },
    () => `${till.id} equals the centre; ${describe(comparison)}`,
    { everyMs: 100 },
  );
  return comparison;
}

function describe({ differences }: Comparison): string {
  const shown = differences
    .slice(0, 3)
    .map(({ table, kind, row, detail }) => `${table} ${row} ${kind} ${detail}`);
  return `${differences.length} differences: ${shown.join('; ')}`;
}
