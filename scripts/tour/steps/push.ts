/** ↓ Prices that head office changes, seen at both tills. */
import { spread, type Tour } from '../tour.ts';

const CHANGES = 50;

export async function showPush({ site, screen }: Tour): Promise<void> {
  screen.step('Push ↓  head office changes prices');
  const { headOffice, tills, services } = site;
  const samples = new Map(tills.map(({ id }) => [id, [] as number[]]));
  let shown = '';
  for (const product of await headOffice.products(CHANGES)) {
    const cents = product.priceCents + 1;
    await headOffice.setPrice(product, cents);
    const committed = performance.now();
    await Promise.all(
      tills.map(async (till) => {
        const arrived = () =>
          till.read('SELECT price FROM products WHERE server_id = ?', Number(product.id)) === cents / 100;
        await services.waitFor(arrived, `the new price of ${product.sku} at ${till.id}`, { everyMs: 2 });
        samples.get(till.id)?.push(performance.now() - committed);
      }),
    );
    shown = `${product.sku} ${(product.priceCents / 100).toFixed(2)} → ${(cents / 100).toFixed(2)}`;
  }
  screen.down(`${CHANGES} prices, one after another, the last one ${shown}`);
  for (const [till, ms] of samples) screen.down(`commit at head office → visible at ${till}: ${spread(ms)}`);
}
