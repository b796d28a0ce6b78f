/** A till without network: it sells on, and a flush asked for by REST brings it all to head office. */
import type { PullCounts, PullResult, PushResult } from '../../../services/shared/agent-protocol.ts';
import { isOnline } from '../demo-site.ts';
import { eurosText, msText, plural } from '../screen.ts';
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
  const { services, gateway, headOffice } = site;
  const [t1, t2] = site.tills;
  screen.step(`Offline  ${t2.id} is cut off from event log and gateway, and sells on`);
  t2.cutOff();
  await services.waitFor(
    async () => !(await isOnline(site, t2)),
    `the gateway notices that ${t2.id} is gone`,
  );
  const sales = Array.from({ length: SALES }, () => t2.sell());
  const cents = sales.reduce((sum, sale) => sum + sale.totalCents, 0);
  const [product] = await headOffice.products(1);
  if (product === undefined) throw new Error('head office has no product');
  const newCents = product.priceCents + 100;
  await headOffice.setPrice(product, newCents);
  const priceAt = (till: typeof t1) =>
    till.read('SELECT price FROM products WHERE server_id = ?', Number(product.id));
  await services.waitFor(() => priceAt(t1) === newCents / 100, `the new price at ${t1.id}`);
  const arrived = await salesAtHeadOffice(
    tour,
    sales.map(({ orderNumber }) => orderNumber),
  );
  screen.up(
    `${plural(SALES, 'sale')}, ${eurosText(cents)}: ${arrived} of them at head office, ${t2.openChanges()} changes wait at ${t2.id}`,
  );
  screen.down(
    `${product.sku} costs ${String(priceAt(t1))} at ${t1.id}, still ${String(priceAt(t2))} at ${t2.id}`,
  );

  const request = { terminalId: t2.id, direction: 'both', wait: true, timeoutMs: 30_000 };
  const asked = await gateway.post<SyncJob>('/sync', request);
  const reason = asked.terminals[0]?.error?.code ?? 'no reason given';
  screen.plain(`POST /api/v1/sync ${JSON.stringify(request)}`);
  screen.plain(`→ ${asked.state} (${reason}): it runs as soon as the till is back`);
  const job = await reconnectAndFlush(tour, asked.jobId);
  printFlush(tour, job);
  await services.waitFor(() => priceAt(t2) === newCents / 100, `the new price at ${t2.id}`);
  const there = await salesAtHeadOffice(
    tour,
    sales.map(({ orderNumber }) => orderNumber),
  );
  screen.note(
    `now ${there} of ${SALES} at head office, ${t2.openChanges()} changes wait, ${product.sku} costs ${String(priceAt(t2))} at ${t2.id}`,
  );
}

/** The line to the gateway first, so that the job sees everything that waited, then the event log. */
async function reconnectAndFlush({ site }: Tour, jobId: string): Promise<SyncJob> {
  const [, t2] = site.tills;
  t2.cable.plug();
  const state = async () => (await site.gateway.get<SyncJob>(`/sync/${jobId}`)).state;
  await site.services.waitFor(
    async () => (await state()) !== 'waiting',
    `${t2.id} connects to the gateway again`,
  );
  t2.eventLog.mend();
  return site.gateway.get<SyncJob>(`/sync/${jobId}?waitMs=30000`);
}

export async function salesAtHeadOffice({ site }: Tour, orderNumbers: readonly string[]): Promise<number> {
  const sql = 'SELECT count(*) FROM orders WHERE order_number = ANY ($1)';
  return Number(await site.headOffice.text(sql, [orderNumbers]));
}

function printFlush({ screen }: Tour, job: SyncJob): void {
  const [part] = job.terminals;
  if (part?.state !== 'done' || part.pull === undefined) {
    throw new Error(
      `the flush of ${part?.terminalId ?? 'nobody'} is ${job.state}: ${part?.error?.message ?? ''}`,
    );
  }
  const { pull, push } = part;
  screen.up(
    `${part.terminalId} is back: ${job.state}, ${pull.published} changes (the job took ${msText(job.durationMs)})`,
  );
  screen.table(
    ['table', ...COUNTS],
    Object.entries(pull.tables).map(([table, counts]) => [table, ...COUNTS.map((name) => counts[name])]),
  );
  if (push !== undefined) screen.down(`${push.applied} rows came down with it`);
}
