/** A till without network: it sells on, and a flush asked for by REST brings it all to head office. */
import type { PullCounts, PullResult, PushResult } from '../../../services/shared/agent-protocol.ts';
import { ASKED_SELDOM, isOnline } from '../demo-site.ts';
import type { Sale } from '../../support/shop.ts';
import type { DemoTill } from '../demo-till.ts';
import { eurosText, msText } from '../screen.ts';
import type { Tour } from '../tour.ts';

const SALES = 8;
const COUNTS = [
  'published',
  'applied',
  'merged',
  'lost',
  'rejected',
  'held',
] as const satisfies readonly (keyof PullCounts)[];

export interface SyncJob {
  readonly jobId: string;
  readonly state: string;
  readonly durationMs: number;
  readonly terminals: readonly {
    readonly terminalId: string;
    readonly state: string;
    readonly pull?: PullResult;
    readonly push?: PushResult;
    readonly error?: { readonly code: string; readonly message: string };
  }[];
}

export async function showOffline(tour: Tour): Promise<void> {
  const { site, screen } = tour;
  const [, t2] = site.tills;
  screen.step(`Offline  ${t2.id} is cut off from event log and gateway, and sells on`);
  await t2.cutOff();
  await site.services.waitFor(
    async () => !(await isOnline(site, t2)),
    `the gateway notices that ${t2.id} is gone`,
    ASKED_SELDOM,
  );
  const sales = Array.from({ length: SALES }, () => t2.sell());
  const price = await newPrice(tour);
  const cents = sales.reduce((sum, sale) => sum + sale.totalCents, 0);
  const before = await arrivedOf(tour, sales);
  if (before > 0) throw new Error(`${before} sales of ${t2.id} are at head office although it is cut off`);
  screen.up(`${SALES} sales, ${eurosText(cents)}: none at head office, ${t2.openChanges()} changes wait`);
  screen.down(
    `${price.sku} costs ${price.at(site.tills[0])} at ${site.tills[0].id}, still ${price.at(t2)} here`,
  );

  const request = { terminalId: t2.id, direction: 'both', wait: true, timeoutMs: 60_000 };
  const asked = await site.gateway.post<SyncJob>('/sync', request);
  screen.plain(`POST /api/v1/sync ${JSON.stringify(request)}`);
  screen.plain(
    `→ ${asked.state} (${asked.terminals[0]?.error?.code ?? '–'}): it runs as soon as the till is back`,
  );
  printFlush(tour, await reconnectAndFlush(tour, asked.jobId));
  await site.services.waitFor(() => price.at(t2) === price.now, `the new price at ${t2.id}`);
  const after = await arrivedOf(tour, sales);
  if (after < SALES)
    throw new Error(`only ${after} of ${SALES} sales of ${t2.id} are at head office after its flush`);
  screen.good(`all ${SALES} sales are at head office, and ${price.sku} costs ${price.at(t2)} at ${t2.id}`);
}

interface NewPrice {
  readonly sku: string;
  readonly now: string;
  at(till: DemoTill): string;
}

/** Head office changes a price, and the till that is connected has it. */
async function newPrice({ site }: Tour): Promise<NewPrice> {
  const product = await site.headOffice.product();
  const cents = product.priceCents + 100;
  await site.headOffice.setPrice(product, cents);
  const at = (till: DemoTill) =>
    Number(till.read('SELECT price FROM products WHERE server_id = ?', Number(product.id))).toFixed(2);
  const now = (cents / 100).toFixed(2);
  const [t1] = site.tills;
  await site.services.waitFor(() => at(t1) === now, `the new price at ${t1.id}`);
  return { sku: product.sku, now, at };
}

/** The line to the gateway first, so that the job sees everything that waited, then the event log. */
async function reconnectAndFlush({ site }: Tour, jobId: string): Promise<SyncJob> {
  const [, t2] = site.tills;
  const { services, gateway } = site;
  t2.cable.plug();
  const state = async () => (await gateway.get<SyncJob>(`/sync/${jobId}`)).state;
  const connected = `${t2.id} connects to the gateway again`;
  await services.waitFor(async () => (await state()) !== 'waiting', connected, ASKED_SELDOM);
  await t2.agent.mend();
  return gateway.get<SyncJob>(`/sync/${jobId}?waitMs=60000`);
}

async function arrivedOf({ site }: Tour, sales: readonly Sale[]): Promise<number> {
  const sql = 'SELECT count(*) FROM orders WHERE order_number = ANY ($1)';
  return Number(await site.headOffice.text(sql, [sales.map(({ orderNumber }) => orderNumber)]));
}

function printFlush({ screen }: Tour, job: SyncJob): void {
  const [part] = job.terminals;
  if (part?.state !== 'done' || part.pull === undefined) {
    const why = part?.error?.message ?? '';
    throw new Error(`the flush of ${part?.terminalId ?? 'nobody'} is ${job.state}: ${why}`);
  }
  const { pull, push } = part;
  screen.up(`${part.terminalId} is back: ${job.state}, ${msText(job.durationMs)} after it was asked for`);
  const rows = Object.entries(pull.tables).map(([table, counts]) => [table, counts] as const);
  screen.table(
    ['changes', ...COUNTS],
    [...rows, ['in all', pull] as const].map(([table, counts]) => [
      table,
      ...COUNTS.map((name) => counts[name]),
    ]),
  );
  if (push !== undefined)
    screen.down(`and it has read all that head office committed, up to ${push.position}`);
}
