/** A change that is tried again never overwrites what came later. */
import { beforeEach, describe, expect, test } from 'vitest';
import { useCentre } from '../../../support/apply-site.ts';
import { Asking } from '../../../support/asking.ts';
import type { FakeTill } from '../../../support/centre.ts';
import { lettersOf, TOO_LONG } from './letters.ts';

const centre = useCentre();
const asking = new Asking(centre);

let till: FakeTill;
beforeEach(async () => {
  till = await centre.newTill();
});
const { letterIds, letterId, letter, exceptions, product } = lettersOf(centre, () => till);

describe('later changes of the same till', () => {
  test('are never overwritten, column by column', async () => {
    const { update, now } = await product();
    await centre.send(till, [update({ name: 'first', price: 1 }, { name: TOO_LONG, price: 2 })]);
    await centre.send(till, [update({ price: 1 }, { price: 3 })]);
    const id = await letterId();
    const set = [{ table: 'products', column: 'name', value: 'mended' }];
    expect(await asking.retryOne(id, { set })).toMatchObject({ state: 'applied' });
    expect(await now()).toMatchObject({ name: 'mended', price: '3.00' });
  });

  test('are not overwritten either where they set a column back to what it was', async () => {
    const { update, now } = await product();
    await centre.send(till, [update({ name: 'first', price: 1 }, { name: 'second', price: -1 })]);
    await centre.send(till, [update({ name: 'second' }, { name: 'first' })]);
    const id = await letterId();
    const set = [{ table: 'products', column: 'price', value: '4' }];
    expect(await asking.retryOne(id, { set })).toMatchObject({ state: 'applied' });
    expect(await now()).toMatchObject({ name: 'first', price: '4.00' });
  });

  test('are not overwritten where they write table and columns in another case', async () => {
    const { row, update, now } = await product();
    await centre.send(till, [update({ name: 'first', price: 1 }, { name: 'second', price: -1 })]);
    await centre.send(till, [
      { op: 'u', table: 'Products', row, old: { NAME: 'second' }, new: { NAME: 'third' } },
    ]);
    const set = [{ table: 'PRODUCTS', column: 'Price', value: '4' }];
    expect(await asking.retryOne(await letterId(), { set })).toMatchObject({ state: 'applied' });
    expect(await now()).toMatchObject({ name: 'third', price: '4.00' });
  });

  test('that wrote all of it close it as superseded', async () => {
    const { update, now } = await product();
    await centre.send(till, [update({ name: 'first' }, { name: TOO_LONG })]);
    await centre.send(till, [update({ name: 'first' }, { name: 'new' })]);
    const id = await letterId();
    expect(await asking.retryOne(id)).toMatchObject({ state: 'superseded' });
    expect((await now()).name).toBe('new');
    expect(await letter(id)).toMatchObject({ state: 'superseded' });
    expect(await exceptions()).toBe('[]');
  });

  test('count also in the group in which the refusal was, and when they are retried first', async () => {
    const { update, now } = await product();
    await centre.send(
      till,
      [update({ name: 'first' }, { name: TOO_LONG })],
      [update({ name: 'first' }, { name: `${TOO_LONG}2` })],
    );
    const [early = '', later = ''] = await letterIds();
    const second = [{ table: 'products', column: 'name', value: 'second' }];
    expect(await asking.retryOne(later, { set: second })).toMatchObject({ state: 'applied' });
    const first = [{ table: 'products', column: 'name', value: 'early' }];
    expect(await asking.retryOne(early, { set: first })).toMatchObject({ state: 'superseded' });
    expect((await now()).name).toBe('second');
  });

  test('make a refused delete void', async () => {
    const { update, row, now } = await product();
    await centre.pool.query(`
      CREATE OR REPLACE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'kept' USING ERRCODE = '23000'; END $$;
      CREATE TRIGGER keep BEFORE UPDATE OF deleted_at ON products FOR EACH ROW EXECUTE FUNCTION keep()`);
    await centre.send(till, [{ op: 'd', table: 'products', row, old: { name: 'first' } }]);
    await centre.pool.query('DROP TRIGGER keep ON products');
    await centre.send(till, [update({ name: 'first' }, { name: 'still sold' })]);
    expect(await asking.retryOne(await letterId())).toMatchObject({ state: 'superseded' });
    expect(await now()).toMatchObject({ name: 'still sold', deleted_at: null });
  });

  test('leave an amount to count, once, however often it is retried', async () => {
    const { update, now } = await product({ stock: 10 });
    await centre.send(till, [update({ stock: 10n, name: 'first' }, { stock: 7n, name: TOO_LONG })]);
    await centre.send(till, [update({ stock: 10n, name: 'first' }, { stock: 8n, name: 'later' })]);
    const id = await letterId();
    expect(await asking.retryOne(id)).toMatchObject({ state: 'applied' });
    expect(await asking.retryOne(id)).toMatchObject({ state: 'closed' });
    expect(await now()).toMatchObject({ stock: '5.000', name: 'later' });
  });
});
