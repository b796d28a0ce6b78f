/** ↑ Sales at one till, seen at head office, and what they do to the stock seen at the other till. */
import type { DemoTill } from '../demo-till.ts';
import { eurosText } from '../screen.ts';
import { spread, type Tour } from '../tour.ts';

const SALES = 25;

export async function showPull(tour: Tour): Promise<void> {
  const { site, screen } = tour;
  const [t1, t2] = site.tills;
  screen.step(`Pull ↑  ${t1.id} sells`);
  const toHeadOffice: number[] = [];
  const toOtherTill: number[] = [];
  let cents = 0;
  for (let number = 0; number < SALES; number += 1) {
    const sale = t1.sell();
    const committed = performance.now();
    cents += sale.totalCents;
    await Promise.all([
      site.services
        .waitFor(() => isAtHeadOffice(tour, t1, sale.orderNumber), `${sale.orderNumber} at head office`, {
          everyMs: 1,
        })
        .then(() => toHeadOffice.push(performance.now() - committed)),
      site.services
        .waitFor(
          () => sameStock(t1, t2, sale.orderNumber),
          () => `${sale.orderNumber} and its stock at ${t2.id}`,
          { everyMs: 1 },
        )
        .then(() => toOtherTill.push(performance.now() - committed)),
    ]);
    if (number % 5 === 0) t1.printReceipt(sale);
  }
  screen.up(`${SALES} sales, ${eurosText(cents)}, with their items, payments, receipts and stock movements`);
  screen.up(`commit at ${t1.id} → committed at head office: ${spread(toHeadOffice)}`);
  screen.down(`… → order and new stock at ${t2.id}: ${spread(toOtherTill)}`);
  await site.services.waitFor(
    () => t1.openChanges() === 0,
    () => `${t1.id} knows what became of its changes; ${t1.openChanges()} open`,
  );
  screen.note(`${t1.id} knows that all of it has arrived: every row is marked synced`);
}

/** Central-apply writes a sale in one transaction, so its payment stands for all of it. */
async function isAtHeadOffice({ site }: Tour, till: DemoTill, orderNumber: string): Promise<boolean> {
  const found = await site.headOffice.text(
    `SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
      WHERE o.terminal_code = $1 AND o.order_number = $2`,
    [till.id, orderNumber],
  );
  return found !== null;
}

const STOCK_OF_ORDER = `
  SELECT p.sku, p.stock_quantity FROM order_items i
    JOIN orders o ON o.id = i.order_id JOIN products p ON p.id = i.product_id
   WHERE o.order_number = ? ORDER BY p.sku`;

function sameStock(till: DemoTill, other: DemoTill, orderNumber: string): boolean {
  const [ours, theirs] = [till, other].map((each) => each.rows(STOCK_OF_ORDER, orderNumber));
  return JSON.stringify(ours) === JSON.stringify(theirs);
}
