/** ↑ Sales at one till, seen at head office, and what they do to the stock seen at the other till. */
import type { Condition } from '../demo-services.ts';
import type { DemoTill } from '../demo-till.ts';
import { eurosText } from '../screen.ts';
import { spread, type Tour } from '../tour.ts';

const SALES = 25;
/** Looking itself costs the database something. */
const LOOK_MS = 3;

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
    const stock = stockOf(t1, sale.orderNumber);
    const arrives = async (samples: number[], seen: Condition, where: string) => {
      await site.services.waitFor(seen, `${sale.orderNumber} ${where}`, { everyMs: LOOK_MS });
      samples.push(performance.now() - committed);
    };
    await Promise.all([
      arrives(toHeadOffice, () => isAtHeadOffice(tour, t1, sale.orderNumber), 'at head office'),
      arrives(toOtherTill, () => hasArrived(t2, sale.orderNumber, stock), `and its stock at ${t2.id}`),
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

/** Of the products of an order, as JSON; `+` keeps SQLite from walking through all products in their order. */
function stockOf(till: DemoTill, orderNumber: string): string {
  const rows = till.rows<{ sku: string; stock_quantity: number }>(
    `SELECT p.sku, p.stock_quantity FROM orders o
       JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id
      WHERE o.order_number = ? ORDER BY +p.sku`,
    orderNumber,
  );
  return JSON.stringify(rows);
}

function hasArrived(till: DemoTill, orderNumber: string, stock: string): boolean {
  const there = till.read('SELECT id FROM orders WHERE order_number = ?', orderNumber) !== null;
  return there && stockOf(till, orderNumber) === stock;
}
