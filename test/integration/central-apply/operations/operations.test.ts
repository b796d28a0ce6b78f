/** What operators ask is done once, or said why not; one that fails keeps no other waiting. */
import { beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import { DecidedHeld } from '../../../../services/central-apply/decided-held.ts';
import { Operations } from '../../../../services/central-apply/operations/operations.ts';
import { inTransaction } from '../../../../services/shared/database/postgres.ts';
import type { LettersResult, ResolveResult, SkipResult } from '../../../../services/shared/operations.ts';
import { sale, useCentre } from '../../../support/apply-site.ts';
import { Asking } from '../../../support/asking.ts';
import { insert, silentLog, type FakeTill } from '../../../support/centre.ts';

const centre = useCentre();
const asking = new Asking(centre);

let till: FakeTill;
beforeEach(async () => {
  till = await centre.newTill();
});

const mend = { set: [{ table: 'order_items', column: 'quantity', value: '1', seq: 2 }] };

async function letterId(): Promise<string> {
  const { id } = await centre.one<{ id: string }>(
    'SELECT min(dead_letter_id)::text AS id FROM payflow_sync.dead_letter WHERE terminal_id = $1',
    [till.terminal],
  );
  return id;
}

describe('an operation', () => {
  test('that nobody knows fails, and the next one is done', async () => {
    await centre.send(till, sale('A', 0n));
    const strange = await asking.put('unheard-of', {});
    const id = await letterId();
    expect(await asking.retryOne(id, mend)).toMatchObject({ state: 'applied' });
    expect(await asking.answer(strange)).toMatchObject({ state: 'failed', result: { code: 'USAGE' } });
  });

  test('that PostgreSQL refuses fails with its code and place, without its words, which may quote a row', async () => {
    await centre.send(till, sale('A', 0n));
    await centre.pool.query(`
      CREATE FUNCTION speak() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'pin 4711 is taken' USING ERRCODE = '23505', TABLE = 'staff', CONSTRAINT = 'one_pin'; END $$;
      CREATE TRIGGER speak BEFORE UPDATE ON payflow_sync.operation
        FOR EACH ROW WHEN (NEW.state = 'done') EXECUTE FUNCTION speak()`);
    const id = await asking.put('dead-letter-retry', { ids: [await letterId()], ...mend });
    while (await asking.operations().runNext());
    await centre.pool.query('DROP TRIGGER speak ON payflow_sync.operation; DROP FUNCTION speak()');
    const answer = await asking.answer(id);
    expect(answer).toMatchObject({
      state: 'failed',
      result: { message: 'PostgreSQL refused it: 23505 at staff by one_pin' },
    });
    expect(JSON.stringify(answer)).not.toContain('4711');
    expect(await centre.ordersOf(till)).toEqual([]);
  });

  test('whose process died before its commit is done by the next one, once', async () => {
    await centre.send(till, sale('A', 0n));
    const id = await asking.put('dead-letter-retry', { ids: [await letterId()], ...mend });
    // The connection breaks when all is written and nothing committed.
    await centre.pool.query(`
      CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
      CREATE TRIGGER die BEFORE UPDATE ON payflow_sync.operation FOR EACH ROW EXECUTE FUNCTION die()`);
    await expect(asking.operations().runNext()).rejects.toMatchObject({ code: 'DB_UNREACHABLE' });
    await centre.pool.query('DROP TRIGGER die ON payflow_sync.operation; DROP FUNCTION die()');
    expect(await centre.ordersOf(till)).toEqual([]);
    expect(await asking.answer(id)).toMatchObject({ state: 'waiting', result: null });
    while (await asking.operations().runNext());
    expect(await asking.answer<LettersResult>(id)).toMatchObject({
      state: 'done',
      result: { counts: { applied: 1 } },
    });
    expect(await centre.ordersOf(till)).toHaveLength(1);
  });

  test('asked for twice at once is done once, and the other is told', async () => {
    await centre.send(till, sale('A', 0n));
    const args = { ids: [await letterId()], ...mend };
    const ids = [await asking.put('dead-letter-retry', args), await asking.put('dead-letter-retry', args)];
    await Promise.all(
      [asking.operations(), asking.operations()].map(async (each) => {
        while (await each.runNext());
      }),
    );
    const answers = await Promise.all(ids.map((id) => asking.answer<LettersResult>(id)));
    const states = answers.flatMap(({ result }) => result.letters.map(({ state }) => state));
    expect(states.sort()).toEqual(['applied', 'closed']);
    expect(await centre.ordersOf(till)).toHaveLength(1);
  });

  test('is done while the service runs, woken by its NOTIFY', async () => {
    await centre.send(till, sale('A', 0n));
    const stop = new AbortController();
    const running = asking.operations().run(stop.signal);
    await until(
      async () =>
        (await centre.all(`SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN payflow_operations%'`))
          .length > 0,
      'the service listens',
    );
    const id = await asking.put('dead-letter-retry', { ids: [await letterId()], ...mend });
    await centre.pool.query(`SELECT pg_notify('payflow_operations', $1)`, [id]);
    await until(async () => (await asking.answer(id)).state === 'done', 'the operation is done');
    stop.abort();
    await running;
  });

  test('that a lock keeps waiting is done once the lock is gone', async () => {
    await centre.send(till, sale('A', 0n));
    const id = await asking.put('dead-letter-retry', { ids: [await letterId()], ...mend });
    let done: Promise<boolean> = Promise.resolve(false);
    await inTransaction(centre.pool, async (client) => {
      await client.query('SELECT FROM payflow_sync.progress WHERE terminal_id = $1 FOR UPDATE', [
        till.terminal,
      ]);
      done = asking.operations().runNext();
      await until(
        async () =>
          (
            await centre.all(`SELECT 1 FROM pg_locks WHERE NOT granted AND database = (
             SELECT oid FROM pg_database WHERE datname = current_database()) OR (NOT granted AND locktype = 'transactionid')`)
          ).length > 0,
        'it waits for the lock',
      );
    });
    expect(await done).toBe(true);
    expect(await asking.answer(id)).toMatchObject({ state: 'done' });
  });
});

describe('a discarded letter', () => {
  test('is given up with who and why, and what hangs on its rows with it', async () => {
    await centre.send(
      till,
      sale('A', 0n),
      [insert('payments', 'late', { method: 'card', amount_cents: 100n }, { order_id: 'A-o' })],
      sale('B'),
    );
    const { letters, counts } = await asking.discard([await letterId()], 'entered by hand');
    expect(letters.map(({ state, dependant }) => [state, dependant])).toEqual([
      ['discarded', false],
      ['discarded', true],
    ]);
    expect(counts.discarded).toBe(2);
    expect((await centre.progressOf(till)).exceptions).toBe('[[1,5,"discarded","entered by hand"]]');
    expect(
      await centre.all('SELECT state, decided_by, why FROM payflow_sync.dead_letter WHERE terminal_id = $1', [
        till.terminal,
      ]),
    ).toEqual([1, 2].map(() => ({ state: 'discarded', decided_by: 'anna', why: 'entered by hand' })));
    expect(await asking.retryOne(await letterId())).toMatchObject({ state: 'closed' });
  });
});

describe('a refused record that is skipped', () => {
  async function withGap() {
    await centre.send(till, sale('A'));
    till.unit(...sale('lost'));
    const offset = centre.nextOffset();
    await centre.pool.query(
      `INSERT INTO payflow_sync.refused_record (topic, partition, record_offset, terminal_id, code)
       VALUES ('payflow.up', 0, $1, $2, 'RECORD_MALFORMED')`,
      [offset, till.terminal],
    );
    await centre.send(till, sale('B'), sale('C'));
    expect(await centre.ordersOf(till)).toHaveLength(1);
    return `payflow.up-0-${offset}`;
  }

  test('lets the chain of its till go on behind the gap; what was in it is discarded', async () => {
    const id = await withGap();
    const { state, result } = await asking.ask<SkipResult>('refused-skip', { id }, 'a damaged disk');
    expect({ state, result }).toMatchObject({
      state: 'done',
      result: { skipped: { firstSeq: 5, lastSeq: 8 } },
    });
    expect((await centre.ordersOf(till)).map(({ number }) => number)).toEqual(['A', 'B', 'C']);
    expect(await centre.progressOf(till)).toMatchObject({
      last_unit: '4',
      last_seq: '16',
      exceptions: '[[5,8,"discarded","a damaged disk"]]',
    });
    await centre.send(till, sale('D'));
    expect(await centre.ordersOf(till)).toHaveLength(4);
    expect(await asking.failure('refused-skip', { id })).toMatchObject({ code: 'CONFLICT' });
  });

  test('whose process dies before it lets the till go on needs no other record: whoever is there does it', async () => {
    const id = await withGap();
    const { pool } = centre;
    await asking.put('refused-skip', { id }, 'a damaged disk');
    const dying = new Operations({
      kinds: 'deeds',
      pool,
      listenPool: pool,
      log: silentLog,
      release: () => Promise.resolve(),
    });
    while (await dying.runNext());
    expect(await centre.ordersOf(till)).toHaveLength(1);
    centre.renewApplier();
    const release = (terminal: string) => centre.apply.tryWaiting(terminal);
    await new DecidedHeld({ pool, log: silentLog, release }).look();
    expect((await centre.ordersOf(till)).map(({ number }) => number)).toEqual(['A', 'B', 'C']);
  });

  test('that left no gap is only noted, and an unknown one is not found', async () => {
    await centre.send(till, sale('A'));
    const offset = centre.nextOffset();
    await centre.pool.query(
      `INSERT INTO payflow_sync.refused_record (topic, partition, record_offset, terminal_id, code)
       VALUES ('payflow.up', 0, $1, $2, 'SIGNATURE_INVALID')`,
      [offset, till.terminal],
    );
    const { result } = await asking.ask<SkipResult>(
      'refused-skip',
      { id: `payflow.up-0-${offset}` },
      'forged',
    );
    expect(result.skipped).toBeNull();
    expect((await centre.progressOf(till)).exceptions).toBe('[]');
    for (const id of ['payflow.up-0-999999', 'nonsense']) {
      expect(await asking.failure('refused-skip', { id })).toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  test('waits for the rest of a unit that is there in part, and for a fenced till', async () => {
    const id = await withGap();
    await centre.pool.query('UPDATE payflow_sync.held SET parts = 2 WHERE terminal_id = $1', [till.terminal]);
    expect(await asking.failure('refused-skip', { id })).toMatchObject({ code: 'CONFLICT' });
    await centre.pool.query('UPDATE payflow_sync.held SET parts = 1 WHERE terminal_id = $1', [till.terminal]);
    await centre.pool.query(`UPDATE payflow_sync.terminal SET status = 'fenced' WHERE terminal_id = $1`, [
      till.terminal,
    ]);
    expect(await asking.failure('refused-skip', { id })).toMatchObject({ code: 'CONFLICT' });
    expect((await centre.progressOf(till)).last_unit).toBe('1');
  });
});

describe('a conflict', () => {
  /** The till's rename lost against head office's. */
  async function lostRename() {
    const { id } = await centre.one<{ id: string }>(
      `INSERT INTO products (sku, name, price, stock, updated_at)
       VALUES ($1, 'first', 1, 10, '2020-01-01') RETURNING id::text`,
      [`sku-${centre.nextOffset()}`],
    );
    await centre.pool.query(`UPDATE products SET name = 'office' WHERE id = $1`, [id]);
    await centre.send(till, [
      {
        op: 'u',
        table: 'products',
        row: { identity: `i-${id}`, centralId: id },
        old: { name: 'first', stock: 10n },
        new: { name: 'till', stock: 9n },
        atMs: Date.parse('2021-01-01'),
      },
    ]);
    const { conflict } = await centre.one<{ conflict: string }>(
      `SELECT conflict_id::text AS conflict FROM payflow_sync.conflict WHERE table_name = 'products' AND central_id = $1`,
      [id],
    );
    const now = () =>
      centre.one<{ name: string; stock: string }>('SELECT name, stock::text FROM products WHERE id = $1', [
        id,
      ]);
    return { id, conflict, now };
  }

  test('is decided otherwise as head office would, and no older change of a till overwrites that', async () => {
    const { id, conflict, now } = await lostRename();
    expect(await now()).toEqual({ name: 'office', stock: '9.000' });
    const { result } = await asking.ask<ResolveResult>('conflict-resolve', {
      id: conflict,
      take: 'terminal',
    });
    expect(result).toMatchObject({ written: 'updated', leftAlone: ['stock'] });
    expect(await now()).toEqual({ name: 'till', stock: '9.000' });
    const other = await centre.newTill();
    await centre.send(other, [
      {
        op: 'u',
        table: 'products',
        row: { identity: `o-${id}`, centralId: id },
        old: { name: 'first' },
        new: { name: 'older' },
        atMs: Date.parse('2021-01-02'),
      },
    ]);
    expect((await now()).name).toBe('till');
    expect(await asking.failure('conflict-resolve', { id: conflict, take: 'central' })).toMatchObject({
      code: 'CONFLICT',
    });
  });

  test('is not decided over a row that has changed since, unless by its name or by force', async () => {
    const { id, conflict, now } = await lostRename();
    await centre.pool.query('UPDATE products SET stock = stock - 1 WHERE id = $1', [id]);
    await centre.pool.query('UPDATE products SET price = 5 WHERE id = $1', [id]);
    const failure = await asking.failure('conflict-resolve', { id: conflict, take: 'terminal' });
    expect(failure).toMatchObject({ code: 'CONFLICT', details: { columns: ['price'] } });
    const standing = failure.details?.['standing'];
    const values = { name: 'agreed' };
    const { state } = await asking.ask('conflict-resolve', {
      id: conflict,
      take: 'values',
      values,
      standing,
    });
    expect(state).toBe('done');
    expect((await now()).name).toBe('agreed');
    await centre.pool.query(`UPDATE products SET name = 'again' WHERE id = $1`, [id]);
    expect(await asking.failure('conflict-resolve', { id: conflict, take: 'central' })).toMatchObject({
      code: 'CONFLICT',
    });
    expect((await asking.ask('conflict-resolve', { id: conflict, take: 'central', force: true })).state).toBe(
      'done',
    );
    expect((await now()).name).toBe('office');
  });

  test('never sets a sum, a key or a column that is not there', async () => {
    const { conflict } = await lostRename();
    for (const values of [{ stock: '1' }, { id: '1' }, { nonsense: '1' }]) {
      expect(
        await asking.failure('conflict-resolve', { id: conflict, take: 'values', values }),
      ).toMatchObject({
        code: 'VALIDATION',
      });
    }
  });

  test('with a value that PostgreSQL refuses fails with its reason and leaves the row', async () => {
    const { conflict, now } = await lostRename();
    const values = { name: 'x'.repeat(21) };
    expect(await asking.failure('conflict-resolve', { id: conflict, take: 'values', values })).toMatchObject({
      code: 'DB_REFUSED',
    });
    expect((await now()).name).toBe('office');
  });
});
