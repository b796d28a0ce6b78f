/** Rows that head office moved, rows without a store, old references: what authority must not refuse. */
import { describe, expect, test } from 'vitest';
import { insert, type FakeTill } from '../../../support/centre.ts';
import { change, guessed, useBranches } from './branch-site.ts';

const { centre, here, id, foreignBooks, attack } = useBranches();

describe('a row that head office moved while the till was offline', () => {
  async function moved(): Promise<{ till: FakeTill; account: string }> {
    const till = await here();
    const [made] = await centre.sendForResults(till, insert('accounts', 'a', { title: 'mine' }));
    await centre.pool.query(`UPDATE accounts SET branch = 'S2' WHERE id = $1`, [made?.id]);
    return { till, account: made?.id ?? '' };
  }

  test('is kept as it is; the till’s edit becomes a dead letter, and the row leaves the till', async () => {
    const { till, account } = await moved();
    const { outcomes } = await attack(till, change('accounts', 'a', { title: 'late edit' }));
    expect(outcomes).toEqual(['rejected']);
    expect((await centre.outcomesOf(till)).at(-1)?.slice(3)).toEqual([
      'rejected',
      expect.any(String),
      { id: account, branch: 'S2' },
      null,
    ]);
    expect((await centre.progressOf(till)).exceptions).toBe('[[2,2,"rejected","CHANGE_NOT_ALLOWED"]]');
  });

  test('is not shown either where its insert comes again', async () => {
    const { till, account } = await moved();
    const { outcomes } = await attack(till, insert('accounts', 'a', { title: 'mine' }));
    expect(outcomes).toEqual(['duplicate']);
    expect((await centre.outcomesOf(till)).at(-1)?.slice(5)).toEqual([{ id: account, branch: 'S2' }, null]);
  });

  test('moves its children along: a line that the till adds to it is refused', async () => {
    const { till } = await moved();
    const { outcomes } = await attack(till, insert('folders', 'f', { name: 'late' }, { account_id: 'a' }));
    expect(outcomes).toEqual(['rejected']);
  });

  test('is decided by how it stands once the look is over, row or parent', async () => {
    const till = await here();
    const [made] = await centre.sendForResults(
      till,
      insert('accounts', 'a', { title: 'mine' }),
      insert('folders', 'f', { name: 'mine' }, { account_id: 'a' }),
    );
    for (const late of [
      change('accounts', 'a', { title: 'late' }),
      change('folders', 'f', { name: 'late' }),
      insert('folders', 'g', { name: 'late' }, { account_id: 'a' }),
    ]) {
      await centre.pool.query(`UPDATE accounts SET branch = 'S1' WHERE id = $1`, [made?.id]);
      const office = await centre.pool.connect();
      await office.query('BEGIN');
      await office.query(`UPDATE accounts SET branch = 'S2' WHERE id = $1`, [made?.id]);
      const sent = centre.sendForResults(till, late);
      await centre.until(
        `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      await office.query('COMMIT');
      office.release();
      expect((await sent).map(({ outcome }) => outcome)).toEqual(['rejected']);
    }
  });
});

describe('a row without a store', () => {
  test('belongs to the till that has a link to it, which may also give it its store', async () => {
    const till = await here();
    const [made] = await centre.sendForResults(till, insert('accounts', 'a', { title: 'mine' }));
    await centre.pool.query('UPDATE accounts SET branch = NULL WHERE id = $1', [made?.id]);
    const [edited] = await centre.sendForResults(till, change('accounts', 'a', { title: 'edited' }));
    expect(edited).toMatchObject({ outcome: 'applied', image: undefined });
    const { outcomes } = await attack(
      await here(),
      change('accounts', guessed(made?.id ?? ''), { title: 'no' }),
    );
    expect(outcomes).toEqual(['rejected']);
    await centre.sendForResults(till, change('accounts', 'a', { branch: 'S1' }));
    expect(await centre.one('SELECT title, branch FROM accounts WHERE id = $1', [made?.id])).toEqual({
      title: 'edited',
      branch: 'S1',
    });
  });

  test('may be made by any till: a page of no folder, a folder of no account', async () => {
    const till = await here();
    const results = await centre.sendForResults(
      till,
      insert('folders', 'f', { name: 'loose' }, { account_id: null }),
      insert('pages', 'p', { body: 'loose' }, { folder_id: 'f' }),
    );
    expect(results.map(({ outcome }) => outcome)).toEqual(['applied', 'applied']);
    expect(await centre.sendForCounts(till, change('pages', 'p', { body: 'edited' }))).toEqual({
      applied: 1,
    });
  });

  test('is no row that waits for its parent: a child of a number yet to come is refused', async () => {
    const till = await here();
    const { codes, outcomes } = await attack(
      till,
      insert('pages', 'p', { body: 'x' }, { folder_id: guessed('a3f0c1de-9999-4222-8333-444455556666') }),
    );
    expect({ codes, outcomes }).toEqual({ codes: ['REFERENCE_UNKNOWN'], outcomes: ['rejected'] });
  });
});

describe('no honest sale is refused', () => {
  test('for a keeper whom head office moved, nor for rows that refer to somewhere else since long', async () => {
    const till = await here();
    const keeper = await id(`INSERT INTO staff (branch, name) VALUES ('S1', 'Ada')`);
    await centre.pool.query(`UPDATE staff SET branch = 'S2' WHERE id = $1`, [keeper]);
    const sold = await centre.sendForResults(
      till,
      insert('accounts', 'a', { title: 'sold' }, { keeper_id: guessed(keeper) }),
      change('accounts', 'a', { title: 'paid' }),
      insert('topics', 't', { name: 'anything' }, { of_account: 'a' }),
    );
    expect(sold.map(({ outcome }) => outcome)).toEqual(['applied', 'applied', 'applied']);
  });

  test('but a reference that has to stay within the store does', async () => {
    const till = await here();
    const { account } = await foreignBooks();
    const { outcomes, codes } = await attack(
      till,
      insert('accounts', 'a', { title: 'mine' }),
      insert('accounts', 'b', { title: 'mine' }, { heir_id: 'a' }),
      insert('accounts', 'c', { title: 'mine' }, { heir_id: guessed(account) }),
    );
    expect({ outcomes, codes }).toEqual({
      outcomes: ['applied', 'applied', 'rejected'],
      codes: ['CHANGE_NOT_ALLOWED'],
    });
    const heir = change('accounts', 'a', {}, { heir_id: guessed(account) });
    expect((await attack(till, heir)).outcomes).toEqual(['rejected']);
    await centre.pool.query('UPDATE accounts SET heir_id = $1 WHERE opened_by = $2', [
      account,
      till.terminal,
    ]);
    // What a change does not set is not looked at, nor what it names as it stands.
    const same = change('accounts', 'a', { title: 'edited' }, { heir_id: guessed(account) });
    expect((await attack(till, same)).outcomes).toEqual(['applied']);
  });
});
