/** Every sale of a till, held against head office: there, once, with all its lines, and to the cent. */
import type { DemoTill } from './demo-till.ts';
import type { HeadOffice } from './head-office.ts';

interface SaleRow {
  readonly orderNumber: string;
  readonly cents: number;
  readonly lines: number;
  readonly lineCents: number;
  readonly paidCents: number;
}

export interface SalesVerdict {
  readonly sales: number;
  readonly cents: number;
  readonly differences: readonly string[];
}

/** The app's own orders are known by their number; orders of the store's other tills are here too. */
const LOCAL = `
  SELECT o.order_number AS orderNumber, CAST(round(o.total * 100) AS INTEGER) AS cents,
         (SELECT count(*) FROM order_items i WHERE i.order_id = o.id) AS lines,
         (SELECT CAST(round(coalesce(sum(i.line_total), 0) * 100) AS INTEGER) FROM order_items i WHERE i.order_id = o.id) AS lineCents,
         (SELECT coalesce(sum(p.amount_cents), 0) FROM payments p WHERE p.order_id = o.id) AS paidCents
    FROM orders o WHERE o.order_number LIKE ? || '-%' ORDER BY o.order_number`;

const CENTRAL = `
  SELECT o.order_number AS "orderNumber", (o.total * 100)::int AS cents,
         (SELECT count(*)::int FROM order_items i WHERE i.order_id = o.id) AS lines,
         (SELECT (coalesce(sum(i.line_total), 0) * 100)::int FROM order_items i WHERE i.order_id = o.id) AS "lineCents",
         (SELECT (coalesce(sum(p.amount), 0) * 100)::int FROM payments p WHERE p.order_id = o.id) AS "paidCents"
    FROM orders o WHERE o.terminal_code = $1 ORDER BY o.order_number`;

export async function salesDifferences(headOffice: HeadOffice, till: DemoTill): Promise<SalesVerdict> {
  const local = till.rows<SaleRow>(LOCAL, till.id);
  const central = await headOffice.rows<SaleRow>(CENTRAL, [till.id]);
  const differences = [...againstCashier(till, local), ...againstCentre(till, local, central)];
  return { sales: local.length, cents: local.reduce((sum, sale) => sum + sale.cents, 0), differences };
}

/** What the cashier was told is what the file holds. */
function againstCashier({ id, sales }: DemoTill, local: readonly SaleRow[]): string[] {
  const stored = new Map(local.map((sale) => [sale.orderNumber, sale]));
  return sales
    .filter(({ orderNumber, totalCents }) => stored.get(orderNumber)?.cents !== totalCents)
    .map(
      ({ orderNumber, totalCents }) => `${id} sale ${orderNumber} of ${totalCents} ct is not in its file so`,
    );
}

function againstCentre({ id }: DemoTill, local: readonly SaleRow[], central: readonly SaleRow[]): string[] {
  const differences: string[] = [];
  const found = new Map<string, SaleRow[]>();
  for (const sale of central) found.set(sale.orderNumber, [...(found.get(sale.orderNumber) ?? []), sale]);
  for (const sale of local) {
    const copies = found.get(sale.orderNumber) ?? [];
    found.delete(sale.orderNumber);
    if (copies.length !== 1)
      differences.push(`${id} sale ${sale.orderNumber} is ${copies.length} times at head office`);
    else if (JSON.stringify(copies[0]) !== JSON.stringify(sale))
      differences.push(`${id} sale ${JSON.stringify(sale)} is ${JSON.stringify(copies[0])} at head office`);
    if (sale.cents !== sale.paidCents || sale.cents !== sale.lineCents)
      differences.push(`${id} sale ${sale.orderNumber} does not add up: ${JSON.stringify(sale)}`);
  }
  for (const orderNumber of found.keys())
    differences.push(`${id} never sold ${orderNumber}, head office has it`);
  return differences;
}
