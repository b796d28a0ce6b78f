/** What triggers of the centre do to a row once a till's change is written is no edit of head office's. */
import { afterEach, describe, expect, test } from 'vitest';
import { useCentre } from '../../../support/apply-site.ts';
import { CentralProducts, NOW, update } from './central-products.ts';

const centre = useCentre();
const products = new CentralProducts(centre);

const FUNCTIONS = `
CREATE OR REPLACE FUNCTION mark_stock() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN UPDATE products SET price = price + 1 WHERE id = NEW.id; RETURN NULL; END $$;`;

const TRIGGERS: readonly [string, string][] = [
  [
    'of each row',
    'CREATE TRIGGER later AFTER UPDATE OF name ON products FOR EACH ROW EXECUTE FUNCTION mark_stock()',
  ],
  [
    'at the end of the transaction',
    'CREATE CONSTRAINT TRIGGER later AFTER UPDATE OF name ON products DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mark_stock()',
  ],
];

afterEach(() => centre.pool.query('DROP TRIGGER IF EXISTS later ON products'));

describe.each(TRIGGERS)('a trigger %s', (_when, create) => {
  test('leaves clock and writer with the till that it fired for', async () => {
    const id = await products.add(NOW - 90_000);
    await centre.pool.query(FUNCTIONS);
    await centre.pool.query(create);
    centre.renewApplier();
    const [first, second] = [await centre.newTill(), await centre.newTill()];
    await centre.sendForResults(first, update(id, NOW - 50_000, { name: 'central' }, { name: 'one' }));
    expect(await products.find(id)).toMatchObject({ name: 'one', price: '11.00' });
    // The touch trigger has set updated_at to the present: head office's edit of now would win.
    const [result] = await centre.sendForResults(
      second,
      update(id, NOW - 40_000, { name: 'central' }, { name: 'two' }),
    );
    expect(result?.outcome).toBe('applied');
    expect(await products.find(id)).toMatchObject({ name: 'two', price: '12.00' });
    // And the earlier of two tills still loses.
    const [late] = await centre.sendForResults(
      first,
      update(id, NOW - 45_000, { name: 'central' }, { name: 'late' }),
    );
    expect(late?.outcome).toBe('lost');
  });

  test('what head office itself changes after it is its edit', async () => {
    const id = await products.add(NOW - 90_000);
    await centre.pool.query(create);
    centre.renewApplier();
    const till = await centre.newTill();
    await centre.sendForResults(till, update(id, NOW - 50_000, { name: 'central' }, { name: 'one' }));
    await centre.pool.query(`UPDATE products SET name = 'office' WHERE id = $1`, [id]);
    const [result] = await centre.sendForResults(
      await centre.newTill(),
      update(id, NOW - 40_000, { name: 'central' }, { name: 'two' }),
    );
    expect(result?.outcome).toBe('lost');
  });
});
