/** Whose rows a till may change, and what it hears of those that it may not. */
import { describe, expect, test } from 'vitest';
import { applyUnits } from '../../../../services/central-apply/rows/apply-units.ts';
import { loadModel } from '../../../../services/central-apply/rows/model.ts';
import { Session } from '../../../../services/central-apply/rows/sql.ts';
import { inTransaction } from '../../../../services/shared/database/postgres.ts';
import { insert, type ChangeSpec } from '../../../support/centre.ts';
import { change, guessed, remove, useBranches } from './branch-site.ts';

const { centre, here, there, id, foreignBooks, attack } = useBranches();

describe('a row of another store', () => {
  test('is neither changed nor deleted, whatever way it gets its store', async () => {
    const till = await here();
    const { account, folder, page, line } = await foreignBooks();
    const stamp = 'a3f0c1de-1111-4222-8333-444455556666';
    await centre.pool.query(`INSERT INTO stamps VALUES ($1, 'S2', 'theirs')`, [stamp]);
    await centre.pool.query(`INSERT INTO labels VALUES ('S2', 'urgent', 'red')`);
    const named = { accounts: account, folders: folder, pages: page, lines: line, stamps: stamp };
    for (const [table, central] of Object.entries({ ...named, labels: '["S2","urgent"]' })) {
      const edit = change(table, guessed(central), { [table === 'labels' ? 'colour' : 'body']: 'mine' });
      const { outcomes, codes } = await attack(till, edit);
      expect([table, ...outcomes, codes.at(-1)]).toEqual([table, 'rejected', 'CHANGE_NOT_ALLOWED']);
      expect((await attack(till, remove(table, guessed(central)))).outcomes).toEqual(['rejected']);
    }
  });

  test('is not shown: the till hears that it is gone, by its key and store, and keeps a dead letter', async () => {
    const till = await here();
    const { account, line, page } = await foreignBooks();
    await attack(till, change('accounts', guessed(account), { title: 'mine' }));
    await attack(till, change('lines', guessed(line), { body: 'mine' }));
    const entries = await centre.outcomesOf(till);
    expect(entries.map(([, table, , outcome, , ...shown]) => [table, outcome, ...shown])).toEqual([
      ['accounts', 'rejected', { id: account, branch: 'S2' }, null],
      ['lines', 'rejected', { page_id: page, no: '1' }, null],
    ]);
    const letters = await centre.all<{ message: string }>(
      'SELECT message FROM payflow_sync.dead_letter WHERE terminal_id = $1',
      [till.terminal],
    );
    expect(letters).toHaveLength(2);
    expect(JSON.stringify(letters)).not.toContain('theirs');
  });

  test('takes only what hangs on it down with it', async () => {
    const till = await here();
    const { account } = await foreignBooks();
    const { outcomes } = await attack(
      till,
      insert('accounts', 'a', { title: 'mine' }),
      insert('folders', 'f', { name: 'mine' }, { account_id: 'a' }),
      change('accounts', guessed(account), { title: 'mine' }),
      insert('accounts', 'b', { title: 'mine too' }),
    );
    expect(outcomes).toEqual(['applied', 'applied', 'rejected', 'applied']);
  });

  test('is no parent: not for a new row, at any depth, nor for one that is moved', async () => {
    const till = await here();
    const { account, folder, page } = await foreignBooks();
    const mine = await centre.sendForResults(
      till,
      insert('accounts', 'a', { title: 'mine' }),
      insert('folders', 'f', { name: 'mine' }, { account_id: 'a' }),
      insert('pages', 'p', { body: 'mine' }, { folder_id: 'f' }),
    );
    expect(mine.map(({ outcome }) => outcome)).toEqual(['applied', 'applied', 'applied']);
    const tried = [
      insert('folders', 'x1', { name: 'planted' }, { account_id: guessed(account) }),
      insert('pages', 'x2', { body: 'planted' }, { folder_id: guessed(folder) }),
      insert('lines', 'x3', { no: 9n, body: 'planted' }, { page_id: guessed(page) }),
      change('folders', 'f', {}, { account_id: guessed(account) }),
      change('pages', 'p', {}, { folder_id: guessed(folder) }),
    ];
    for (const each of tried) {
      const { outcomes, codes } = await attack(till, each);
      expect([...outcomes, codes.at(-1)]).toEqual(['rejected', 'CHANGE_NOT_ALLOWED']);
    }
  });

  test('is no parent of a parent made in the same unit, in whatever order they come', async () => {
    const till = await here();
    const { account } = await foreignBooks();
    const chain = [
      insert('folders', 'f', { name: 'planted' }, { account_id: guessed(account) }),
      insert('pages', 'p', { body: 'planted' }, { folder_id: 'f' }),
      insert('lines', 'l', { no: 1n, body: 'planted' }, { page_id: 'p' }),
    ];
    expect((await attack(till, ...chain)).outcomes).toEqual(['rejected', 'rejected', 'rejected']);
    const [folder, page, line] = chain as [ChangeSpec, ChangeSpec, ChangeSpec];
    const other = await here();
    expect((await attack(other, page, folder, line)).outcomes).toEqual(['rejected', 'rejected', 'rejected']);
  });

  test('may be made in the very group', async () => {
    const [till, other] = [await here(), await there()];
    const next = Number(await id(`INSERT INTO accounts (branch) VALUES ('S2')`)) + 1;
    const made = other.stored(centre.nextOffset(), [
      other.unit(insert('accounts', 'a', { title: 'theirs' })),
    ]);
    const edit = till.stored(centre.nextOffset(), [
      till.unit(change('accounts', guessed(String(next)), { title: 'mine' })),
    ]);
    const { outcomes } = await centre.apply.applyRecords(0, [made, edit]);
    expect(Object.fromEntries(outcomes)).toEqual({ applied: 1, rejected: 1 });
    expect(await centre.one('SELECT title FROM accounts WHERE id = $1', [next])).toEqual({ title: 'theirs' });
  });
});

describe('the store of a row', () => {
  test('is the till’s where it says none, and may be said where it is the till’s', async () => {
    const results = await centre.sendForResults(
      await here(),
      insert('accounts', 'a', { title: 'says none' }),
      insert('accounts', 'b', { title: 'says NULL', branch: null }),
      insert('accounts', 'c', { title: 'says its own', branch: 'S1' }),
      insert('labels', 'l', { name: 'key without store', colour: 'blue' }),
    );
    expect(results.map(({ outcome }) => outcome)).toEqual(['applied', 'applied', 'applied', 'applied']);
    expect(
      await centre.all(`SELECT DISTINCT branch FROM accounts WHERE title LIKE 'says %' UNION ALL
        SELECT branch FROM labels WHERE name = 'key without store'`),
    ).toEqual([{ branch: 'S1' }, { branch: 'S1' }]);
  });

  test('is not another’s: the insert is refused, also where the store is in the key', async () => {
    const till = await here();
    const { outcomes, codes } = await attack(
      till,
      insert('accounts', 'a', { title: 'planted', branch: 'S2' }),
      insert('labels', 'l', { branch: 'S2', name: 'planted', colour: 'blue' }),
      { op: 'r', table: 'accounts', row: 'r', new: { title: 'planted', branch: 'S3' } },
    );
    expect(outcomes).toEqual(['rejected', 'rejected', 'rejected']);
    expect(new Set(codes)).toEqual(new Set(['CHANGE_NOT_ALLOWED']));
  });

  test('is what the mapping sets, whatever the till writes', async () => {
    const stamp = 'a3f0c1de-2222-4222-8333-444455556666';
    const results = await centre.sendForResults(
      await here(),
      insert('stamps', 's', { id: stamp, branch: 'S2', body: 'mine' }),
    );
    expect(results).toMatchObject([{ outcome: 'applied' }]);
    expect(await centre.one('SELECT branch FROM stamps WHERE id = $1', [stamp])).toEqual({ branch: 'S1' });
  });

  test('and what the mapping sets are never changed after, and may be named as they stand', async () => {
    const till = await here();
    await centre.sendForResults(till, insert('accounts', 'a', { title: 'mine', branch: 'S1' }));
    for (const values of [
      { branch: 'S2' },
      { branch: null },
      { opened_by: 'somebody' },
      { opened_by: null },
    ]) {
      const { outcomes, codes } = await attack(till, change('accounts', 'a', values));
      expect([...outcomes, codes.at(-1)]).toEqual(['rejected', 'CHANGE_NOT_ALLOWED']);
    }
    const same = { branch: 'S1', opened_by: till.terminal, title: 'still mine' };
    expect((await attack(till, change('accounts', 'a', same))).outcomes).toEqual(['applied']);
    expect(
      await centre.one('SELECT branch, title FROM accounts WHERE opened_by = $1', [till.terminal]),
    ).toEqual({
      branch: 'S1',
      title: 'still mine',
    });
  });

  test('a row is not moved to be deleted in the next breath', async () => {
    const till = await here();
    const { account } = await foreignBooks();
    const { outcomes } = await attack(
      till,
      change('accounts', guessed(account), { branch: 'S1' }),
      remove('accounts', guessed(account)),
    );
    expect(outcomes).toEqual(['rejected', 'rejected']);
  });
});

describe('a row that is there already under the same key', () => {
  test('of another store is taken: not merged, not linked, not named', async () => {
    const till = await here();
    const account = await id(`INSERT INTO accounts (branch, code, title) VALUES ('S2', 'K-1', 'theirs')`);
    const stamp = 'a3f0c1de-3333-4222-8333-444455556666';
    await centre.pool.query(`INSERT INTO stamps VALUES ($1, 'S2', 'theirs')`, [stamp]);
    const tried: ChangeSpec[] = [
      insert('accounts', 'natural', { code: 'K-1', title: 'mine' }),
      { op: 'r', table: 'accounts', row: 'offered', new: { code: 'K-1', title: 'mine' } },
      {
        op: 'r',
        table: 'accounts',
        row: { identity: 'by id', centralId: account },
        new: { code: 'K-1', title: 'mine' },
      },
      insert('stamps', 'carried', { id: stamp, body: 'mine' }),
    ];
    for (const each of tried) {
      const { results, codes } = await attack(till, each);
      expect(results).toEqual([{ outcome: 'rejected', id: null, image: undefined }]);
      expect(codes.at(-1)).toBe('NATURAL_KEY_TAKEN');
    }
    expect(
      await centre.all('SELECT 1 FROM payflow_sync.link WHERE terminal_id = $1', [till.terminal]),
    ).toEqual([]);
  });

  test('of its own store is merged as ever', async () => {
    const account = await id(`INSERT INTO accounts (branch, code, title) VALUES ('S1', 'K-2', 'office')`);
    const [result] = await centre.sendForResults(
      await here(),
      insert('accounts', 'a', { code: 'K-2', title: 'till' }),
    );
    expect(result).toMatchObject({ outcome: 'merged', id: account });
  });

  test('its own is meant where another store has a row of that name too', async () => {
    await centre.pool.query('ALTER TABLE accounts DROP CONSTRAINT accounts_code_key');
    await centre.pool.query(`INSERT INTO accounts (branch, code) VALUES ('S2', 'K-3')`);
    const own = await id(`INSERT INTO accounts (branch, code) VALUES ('S1', 'K-3')`);
    const [result] = await centre.sendForResults(await here(), insert('accounts', 'a', { code: 'K-3' }));
    expect(result).toMatchObject({ outcome: 'merged', id: own });
  });

  test('without a store it is taken too: who names it first would own it', async () => {
    const till = await here();
    await centre.pool.query(`INSERT INTO accounts (branch, code) VALUES (NULL, 'K-4')`);
    const { codes } = await attack(till, insert('accounts', 'a', { code: 'K-4', title: 'mine' }));
    expect(codes).toEqual(['NATURAL_KEY_TAKEN']);
  });
});

test('what named another store’s rows is counted per till: refused ones, and references that were applied', async () => {
  const till = await here();
  const { account } = await foreignBooks();
  const keeper = await id(`INSERT INTO staff (branch, name) VALUES ('S2', 'Bob')`);
  const seen: unknown[] = [];
  const apply = centre.applierWith({ onApplied: ({ foreign }) => seen.push(...foreign) });
  const record = till.stored(centre.nextOffset(), [
    till.unit(
      change('accounts', guessed(account), { title: 'mine' }),
      remove('accounts', guessed(account)),
      insert('accounts', 'a', { title: 'mine' }, { keeper_id: guessed(keeper) }),
    ),
  ]);
  await apply.applyRecords(0, [record]);
  expect(seen).toEqual([
    { terminal: till.terminal, table: 'accounts', refused: true },
    { terminal: till.terminal, table: 'accounts', refused: true },
    { terminal: till.terminal, table: 'accounts', refused: false },
  ]);
});

test('an operator may lend a part his authority', async () => {
  const till = await here();
  const { account, folder } = await foreignBooks();
  const unit = till.unit(
    change('accounts', guessed(account), { title: 'as the operator wants' }),
    insert('pages', 'p', { body: 'allowed' }, { folder_id: guessed(folder) }),
    insert('accounts', 'a', { title: 'allowed', branch: 'S2' }),
  );
  const from = {
    terminal: till.terminal,
    storeId: 'S1',
    incarnation: till.incarnation,
    trusted: true,
    receivedAtMs: Date.now(),
    lentAuthority: true,
    unit,
  };
  const model = await loadModel(centre.pool);
  const { outcomes, foreign } = await inTransaction(centre.pool, (client) =>
    applyUnits(new Session(client), model, [from], { order: 'table' }),
  );
  expect({ outcomes: Object.fromEntries(outcomes), foreign }).toEqual({
    outcomes: { applied: 3 },
    foreign: [],
  });
  expect(await centre.one('SELECT title FROM accounts WHERE id = $1', [account])).toEqual({
    title: 'as the operator wants',
  });
});
