/** Whose rows a till may change, and what it hears of those that it may not. */
import { describe, expect, test } from 'vitest';
import { applyUnits } from '../../../../services/central-apply/rows/apply-units.ts';
import { loadModel } from '../../../../services/central-apply/rows/model.ts';
import { Session } from '../../../../services/central-apply/rows/sql.ts';
import { inTransaction } from '../../../../services/shared/database/postgres.ts';
import { useCentre } from '../../../support/apply-site.ts';
import { insert, type ChangeSpec, type FakeTill, type Values } from '../../../support/centre.ts';
import { BRANCH_MAPPING, BRANCH_SCHEMA, branchRows } from './branch-books.ts';

const centre = useCentre(BRANCH_SCHEMA, BRANCH_MAPPING);

const here = () => centre.newTill({ storeId: 'S1' });
const there = () => centre.newTill({ storeId: 'S2' });
/** A row as one names it that has only guessed its number. */
const guessed = (id: string) => ({ identity: '', centralId: id });
const change = (table: string, row: ChangeSpec['row'], values: Values, references = {}): ChangeSpec => ({
  op: 'u',
  table,
  row,
  new: values,
  references,
});
const remove = (table: string, row: ChangeSpec['row']): ChangeSpec => ({ op: 'd', table, row });

async function id(sql: string): Promise<string> {
  return (await centre.one<{ id: string }>(`${sql} RETURNING id::text`)).id;
}

/** An account of S2 with a folder, a page and a line in it. */
async function foreignBooks() {
  const account = await id(`INSERT INTO accounts (branch, title) VALUES ('S2', 'theirs')`);
  const folder = await id(`INSERT INTO folders (account_id, name) VALUES (${account}, 'theirs')`);
  const page = await id(`INSERT INTO pages (folder_id, body) VALUES ('${folder}', 'theirs')`);
  await centre.pool.query(`INSERT INTO lines VALUES ($1, 1, 'theirs')`, [page]);
  return { account, folder, page, line: `["${page}","1"]` };
}

/** Sends one unit of S1's till, after which S2's rows must be as they were. */
async function attack(till: FakeTill, ...changes: ChangeSpec[]) {
  const theirs = async () => (await branchRows(centre)).filter(({ branch }) => branch !== 'S1');
  const before = await theirs();
  const results = await centre.sendForResults(till, ...changes);
  expect(await theirs()).toEqual(before);
  const codes = await centre.all<{ code: string }>(
    'SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1 ORDER BY dead_letter_id',
    [till.terminal],
  );
  return { outcomes: results.map(({ outcome }) => outcome), results, codes: codes.map(({ code }) => code) };
}

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
