/** Every sale of a till, held against head office: there, once, with all its lines, and to the cent. */
import type { DemoTill } from './demo-till.ts';
import type { Sale } from '../support/shop.ts';
import type { HeadOffice } from './head-office.ts';

export interface SaleRow {
  readonly orderNumber: string;
  readonly cents: number;
  readonly lines: number;
  readonly lineCents: number;
  readonly paidCents: number;
}

export interface SalesOnBothSides {
  readonly terminalId: string;
  /** What its cashier was told since the demo started. */
  readonly told: readonly Sale[];
  readonly local: readonly SaleRow[];
  readonly central: readonly SaleRow[];
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

export async function readSales(headOffice: HeadOffice, till: DemoTill): Promise<SalesOnBothSides> {
  const local = till.rows<SaleRow>(LOCAL, till.id);
  const central = await headOffice.rows<SaleRow>(CENTRAL, [till.id]);
  return { terminalId: till.id, told: till.sales, local, central };
}

/** Pure: what does not fit. */
export function judgeSales(sales: SalesOnBothSides): SalesVerdict {
  const { local } = sales;
  const differences = [...againstCashier(sales), ...againstCentre(sales)];
  return { sales: local.length, cents: local.reduce((sum, { cents }) => sum + cents, 0), differences };
}

/** What the cashier was told is what the file holds. */
function againstCashier({ terminalId, told, local }: SalesOnBothSides): string[] {
  const stored = new Map(local.map((sale) => [sale.orderNumber, sale]));
  return told
    .filter(({ orderNumber, totalCents }) => stored.get(orderNumber)?.cents !== totalCents)
    .map(
      ({ orderNumber, totalCents }) =>
        `${terminalId} sale ${orderNumber} of ${totalCents} ct is not in its file`,
    );
}

function againstCentre({ terminalId, local, central }: SalesOnBothSides): string[] {
  const differences: string[] = [];
  const found = new Map<string, SaleRow[]>();
  for (const sale of central) found.set(sale.orderNumber, [...(found.get(sale.orderNumber) ?? []), sale]);
  for (const sale of local) {
    const name = `${terminalId} sale ${sale.orderNumber}`;
    const copies = found.get(sale.orderNumber) ?? [];
    found.delete(sale.orderNumber);
    if (copies.length !== 1) differences.push(`${name} is ${copies.length} times at head office`);
    else if (text(copies[0]) !== text(sale))
      differences.push(`${name} is ${text(sale)} here, ${text(copies[0])} at head office`);
    if (sale.cents !== sale.paidCents || sale.cents !== sale.lineCents)
      differences.push(`${name} does not add up: ${text(sale)}`);
  }
  for (const orderNumber of found.keys())
    differences.push(`${terminalId} never sold ${orderNumber}, which head office has`);
  return differences;
}

function text(sale: SaleRow | undefined): string {
  const { cents, lines, lineCents, paidCents } = sale ?? {};
  return JSON.stringify({ cents, lines, lineCents, paidCents });
}
