/** Tills that were moved to another store: whose rows a unit may change goes by when it was cut. */
import { beforeEach, describe, expect, test } from 'vitest';
import { sale, useCentre } from '../../support/apply-site.ts';
import type { ChangeSpec, FakeTill } from '../../support/centre.ts';

const centre = useCentre();

const status = ({ terminal }: FakeTill, row: ChangeSpec['row']): ChangeSpec => ({
  op: 'u',
  table: 'orders',
  row,
  new: { status: `by ${terminal}` },
});

/** As `terminals register --replace` for another store leaves it. */
async function moveTo(till: FakeTill, storeId: string): Promise<void> {
  await centre.pool.query(
    `INSERT INTO payflow_sync.registration (terminal_id, registration, store_id)
     SELECT terminal_id, registration, store_id FROM payflow_sync.terminal WHERE terminal_id = $1`,
    [till.terminal],
  );
  await centre.pool.query(
    `WITH moved AS (UPDATE payflow_sync.terminal SET store_id = $2, registration = registration + 1
                     WHERE terminal_id = $1 RETURNING terminal_id, registration, store_id)
     INSERT INTO payflow_sync.registration (terminal_id, registration, store_id) SELECT * FROM moved`,
    [till.terminal, storeId],
  );
}

describe('a till that was moved', () => {
  let till: FakeTill;
  beforeEach(async () => {
    till = await centre.newTill({ storeId: 'S1' });
    till.registration = 1;
    await centre.send(till, sale('before'));
  });

  test('still brings what it sold in its old store, as that store’s, and then sells for the new one', async () => {
    await moveTo(till, 'S2');
    await centre.send(till, sale('late'), [status(till, 'late-o')]);
    till.registration = 2;
    await centre.send(till, sale('after'));
    expect(await centre.ordersOf(till)).toMatchObject([
      { number: 'after', store_id: 'S2', items: '2' },
      { number: 'before', store_id: 'S1', items: '2' },
      { number: 'late', store_id: 'S1', items: '2' },
    ]);
    expect((await centre.progressOf(till)).exceptions).toBe('[]');
  });

  test('has no say any more about the rows of its old store, though it made them', async () => {
    await moveTo(till, 'S2');
    till.registration = 2;
    expect(await centre.sendForCounts(till, status(till, 'before-o'))).toEqual({ rejected: 1 });
  });

  test('is fenced where a unit goes back to the old registration, and nothing of it is lost', async () => {
    await moveTo(till, 'S2');
    till.registration = 2;
    await centre.send(till, sale('after'));
    till.registration = 1;
    await centre.send(till, sale('again'));
    expect((await centre.ordersOf(till)).map(({ number }) => number)).toEqual(['after', 'before']);
    const held = await centre.all('SELECT reason FROM payflow_sync.held WHERE terminal_id = $1', [
      till.terminal,
    ]);
    expect(held).toEqual([{ reason: 'fenced' }]);
  });
});

test('a till of which the centre has counted no registration is of the store that it was registered for', async () => {
  const till = await centre.newTill({ storeId: 'S9' });
  await centre.send(till, sale('unlabelled'));
  till.registration = 1;
  await centre.send(till, sale('labelled'));
  expect(await centre.ordersOf(till)).toMatchObject([{ store_id: 'S9' }, { store_id: 'S9' }]);
});
