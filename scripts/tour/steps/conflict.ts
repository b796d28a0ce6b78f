/** Head office and an offline till change the same rows. */
import type { DemoTill } from '../demo-till.ts';
import { plural } from '../screen.ts';
import type { Tour } from '../tour.ts';

interface Customer {
  readonly full_name: string;
  readonly phone: string | null;
  readonly notes: string | null;
  readonly loyalty_points: number;
}

const NOTE = 'ask for the club card';
const TOUCH = `updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`;

export async function showConflict(tour: Tour): Promise<void> {
  const { site, screen } = tour;
  const { headOffice } = site;
  const [t1, t2] = site.tills;
  screen.step(`Conflict  head office and ${t2.id}, offline again, change the same customers and stock`);
  const [ada, bob] = await twoCustomers(tour);
  const product = await headOffice.product();
  // What was sold before, at the other till too, is in the stock that is reckoned from.
  await allEqual(tour, { customers: [ada, bob], productId: product.id });
  const before = { ada: customerAt(t2, ada), bob: customerAt(t2, bob), stock: stockAt(t1, product.id) };
  const newest = await headOffice.text('SELECT coalesce(max(conflict_id), 0) FROM payflow_sync.conflict');

  await t2.cutOff();
  const more = `notes = '${NOTE}', loyalty_points = loyalty_points + 5`;
  await centralPhone(tour, ada, '111-head-office', more);
  await nextMoment(tour);
  tillPhone(t2, ada, '222-till', 'loyalty_points = loyalty_points + 10');
  tillPhone(t2, bob, '333-till', 'loyalty_points = loyalty_points + 7');
  await nextMoment(tour);
  await centralPhone(tour, bob, '444-head-office', 'loyalty_points = loyalty_points + 1');
  moveStock(t2, product.id, -3);
  moveStock(t1, product.id, -2);
  await headOffice.receiveGoods(product, t2.storeId, 50);
  await t2.reconnect();

  await allEqual(tour, { customers: [ada, bob], productId: product.id });
  const first = { before: before.ada, after: customerAt(t1, ada), points: 5 + 10, note: NOTE };
  reportCustomer(tour, {
    ...first,
    order: 'head office first, the till later',
    winner: t2.id,
    phone: '222-till',
  });
  const second = { before: before.bob, after: customerAt(t1, bob), points: 7 + 1, note: null };
  reportCustomer(tour, {
    ...second,
    order: 'the till first, head office later',
    winner: 'head office',
    phone: '444-head-office',
  });
  const stock = stockAt(t1, product.id);
  const sum = `${before.stock} − 3 at ${t2.id} − 2 at ${t1.id} + 50 at head office`;
  if (stock !== before.stock - 3 - 2 + 50) throw new Error(`stock of ${product.sku} is ${stock}, not ${sum}`);
  screen.good(`stock of ${product.sku}: ${sum} = ${stock}, the same everywhere`);
  await reportStored(tour, Number(newest));
}

/** Two customers that nobody has changed yet in an earlier tour, if there are any left. */
async function twoCustomers({ site }: Tour): Promise<[string, string]> {
  const found = await site.headOffice.rows<{ id: string }>(
    `SELECT id::text FROM customers WHERE deleted_at IS NULL ORDER BY updated_at, email LIMIT 2`,
  );
  const [first, second] = found;
  if (first === undefined || second === undefined)
    throw new Error('head office has fewer than two customers');
  return [first.id, second.id];
}

function customerAt(till: DemoTill, id: string): Customer {
  const sql = 'SELECT full_name, phone, notes, loyalty_points FROM customers WHERE server_id = ?';
  const [row] = till.rows<Customer>(sql, id);
  if (row === undefined) throw new Error(`customer ${id} is not at ${till.id}`);
  return row;
}

function stockAt(till: DemoTill, productId: string): number {
  return Number(till.read('SELECT stock_quantity FROM products WHERE server_id = ?', Number(productId)));
}

async function centralPhone({ site }: Tour, id: string, phone: string, more: string): Promise<void> {
  await site.headOffice.text(`UPDATE customers SET phone = $2, ${more} WHERE id = $1 RETURNING id`, [
    id,
    phone,
  ]);
}

function tillPhone(till: DemoTill, id: string, phone: string, more: string): void {
  till.write(`UPDATE customers SET phone = ?, ${more}, ${TOUCH} WHERE server_id = ?`, phone, id);
}

/** A breakage; the app's own trigger takes it from the till's stock. */
function moveStock(till: DemoTill, productId: string, quantity: number): void {
  till.write(
    `INSERT INTO inventory_transactions (local_id, product_id, kind, quantity, reason)
     SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-a' ||
                  substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))), id, 'loss', ?, 'broken'
       FROM products WHERE server_id = ?`,
    quantity,
    Number(productId),
  );
}

/** The till writes times in ms, so that later must be a later ms. */
async function nextMoment({ site }: Tour): Promise<void> {
  const now = Date.now();
  await site.services.waitFor(() => Date.now() > now + 1, 'the clock goes on', { everyMs: 1 });
}

/** Both tills and the centre show the same of these rows, and nothing is open any more. */
async function allEqual(
  { site }: Tour,
  { customers, productId }: { customers: readonly string[]; productId: string },
): Promise<void> {
  const { tills, headOffice, services } = site;
  let seen: string[] = [];
  const look = async () => {
    const centre = await headOffice.rows<Customer>(
      `SELECT full_name, phone, notes, loyalty_points FROM customers WHERE id::text = ANY ($1)
        ORDER BY array_position($1::text[], id::text)`,
      [customers],
    );
    const stock = await headOffice.text('SELECT master_stock_quantity::float8 FROM products WHERE id = $1', [
      productId,
    ]);
    seen = [
      JSON.stringify([...centre, Number(stock)]),
      ...tills.map((till) =>
        JSON.stringify([...customers.map((id) => customerAt(till, id)), stockAt(till, productId)]),
      ),
    ];
    return seen.every((each) => each === seen[0]) && tills.every((till) => till.openChanges() === 0);
  };
  const open = () => tills.map((till) => `${till.id} ${till.openChanges()} open`).join(', ');
  await services.waitFor(look, () => `both tills and head office agree; ${seen.join(' / ')}; ${open()}`, {
    everyMs: 10,
  });
}

interface CustomerReport {
  readonly before: Customer;
  readonly after: Customer;
  readonly order: string;
  /** Who changed the phone later, and to what. */
  readonly winner: string;
  readonly phone: string;
  /** What both sides added. */
  readonly points: number;
  /** What head office alone wrote; null: nothing. */
  readonly note: string | null;
}

/** @throws Error when the later change did not win, or a sum is not what both sides made it */
function reportCustomer(
  { screen }: Tour,
  { before, after, order, winner, phone, points: added, note }: CustomerReport,
): void {
  const points = before.loyalty_points + added;
  const wanted: Customer = {
    full_name: before.full_name,
    phone,
    notes: note ?? before.notes,
    loyalty_points: points,
  };
  if (JSON.stringify(after) !== JSON.stringify(wanted)) {
    throw new Error(`${order}: ${JSON.stringify(after)} instead of ${JSON.stringify(wanted)}`);
  }
  screen.good(`${after.full_name}, ${order}: ${winner} wins by its later time, phone ${phone}`);
  const kept = note === null ? '' : `, head office's note “${note}” is kept`;
  screen.plain(`points ${before.loyalty_points} + ${added} = ${points}, what both sides added counts${kept}`);
}

/** What the centre has kept of it. */
async function reportStored({ site, screen }: Tour, after: number): Promise<void> {
  const { conflicts } = await site.gateway.get<{
    conflicts: readonly {
      conflictId: string;
      table: string;
      winner: string;
      rule: string;
      terminalId: string;
    }[];
  }>('/conflicts?limit=20');
  const mine = conflicts.filter(({ conflictId }) => Number(conflictId) > after);
  screen.note(`GET /api/v1/conflicts keeps ${plural(mine.length, 'decision')} with the version that lost:`);
  for (const { table, winner, rule, terminalId } of mine) {
    screen.plain(`${table} of ${terminalId}: ${winner} by ${rule}`);
  }
}
