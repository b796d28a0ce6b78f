/** A real till and a real centre: what becomes of refused changes on the till when somebody decides about them. */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Operations } from '../../../services/central-apply/operations/operations.ts';
import type { LettersResult, ResolveResult } from '../../../services/shared/operations.ts';
import type { OperationKind } from '../../../services/shared/operations.ts';
import type { ModelTill } from '../agreement/till.ts';
import { World } from '../agreement/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
  await world.pool.query(`
    ALTER TABLE tickets ADD CONSTRAINT good CHECK (name NOT LIKE 'bad%');
    ALTER TABLE items ADD CONSTRAINT good CHECK (name NOT LIKE 'bad%')`);
  await world.settle();
});
afterEach(() => world.close());

const till = (at: number): ModelTill => {
  const found = world.tills[at];
  if (found === undefined) throw new Error(`no till ${at}`);
  return found;
};

function operations(): Operations {
  return new Operations({
    kinds: 'deeds',
    pool: world.pool,
    listenPool: world.pool,
    release: (terminal) => world.apply.release(terminal),
    log: pino({ level: 'silent' }),
  });
}

async function ask<Result>(kind: OperationKind, args: unknown, why: string | null = null): Promise<Result> {
  const service = operations();
  const { rows } = await world.pool.query<{ id: string }>(
    `INSERT INTO payflow_sync.operation (kind, arguments, requested_by, why) VALUES ($1, $2, 'anna', $3)
     RETURNING operation_id AS id`,
    [kind, JSON.stringify(args), why],
  );
  while (await service.runNext());
  const found = await world.pool.query<{ state: string; result: string }>(
    'SELECT state, result FROM payflow_sync.operation WHERE operation_id = $1',
    [rows[0]?.id],
  );
  expect(found.rows[0]).toMatchObject({ state: 'done' });
  return JSON.parse(found.rows[0]?.result ?? 'null') as Result;
}

const openLetters = async () => {
  const { rows } = await world.pool.query<{ id: string }>(
    `SELECT dead_letter_id::text AS id FROM payflow_sync.dead_letter WHERE state = 'open' ORDER BY dead_letter_id`,
  );
  return rows.map(({ id }) => id);
};

/** A ticket of one line, in one transaction of the app. */
function sell(at: ModelTill, number: string, name: string): void {
  at.app.transaction(() => {
    const { lastInsertRowid } = at.app
      .prepare('INSERT INTO tickets (number, name, local_id) VALUES (?, ?, ?)')
      .run(number, name, crypto.randomUUID());
    at.app
      .prepare('INSERT INTO lines (ticket_id, quantity, local_id) VALUES (?, 2, ?)')
      .run(lastInsertRowid, crypto.randomUUID());
  })();
}

function addLine(at: ModelTill, number: string): void {
  at.app
    .prepare(
      'INSERT INTO lines (ticket_id, quantity, local_id) SELECT id, 5, ? FROM tickets WHERE number = ?',
    )
    .run(crypto.randomUUID(), number);
}

const ticketsOn = (at: ModelTill, number: string) =>
  at.app
    .prepare<[string], { name: string; sync_status: string; linked: number; lines: number }>(
      `SELECT name, sync_status, server_id IS NOT NULL AS linked,
              (SELECT count(*) FROM lines l WHERE l.ticket_id = t.id) AS lines
         FROM tickets t WHERE number = ?`,
    )
    .all(number);

async function ticketsAtCentre(number: string) {
  const { rows } = await world.pool.query<{ name: string; lines: number }>(
    `SELECT name, (SELECT count(*) FROM lines l WHERE l.ticket_id = t.id)::int AS lines FROM tickets t WHERE number = $1`,
    [number],
  );
  return rows;
}

describe('a refused sale', () => {
  it('that is retried is there once on both sides, linked, and on the other till of its store', async () => {
    const a = till(0);
    sell(a, 'n1', 'bad-1');
    await world.settle();
    expect(ticketsOn(a, 'n1')).toEqual([{ name: 'bad-1', sync_status: 'rejected', linked: 0, lines: 1 }]);
    expect(await ticketsAtCentre('n1')).toEqual([]);
    const ids = await openLetters();
    expect(ids).toHaveLength(1);
    const set = [{ table: 'tickets', column: 'name', value: 'good-1' }];
    const { counts } = await ask<LettersResult>('dead-letter-retry', { ids, set });
    expect(counts.applied).toBe(1);
    await world.settle();
    const there = { name: 'good-1', sync_status: 'synced', linked: 1, lines: 1 };
    expect(ticketsOn(a, 'n1')).toEqual([there]);
    expect(ticketsOn(till(1), 'n1')).toEqual([there]);
    expect(ticketsOn(till(2), 'n1')).toEqual([]);
    expect(await ticketsAtCentre('n1')).toEqual([{ name: 'good-1', lines: 1 }]);
    // It is an ordinary row from then on, also after the agent read everything again.
    a.stop();
    await a.start();
    a.app.exec(`UPDATE tickets SET name = 'sold' WHERE number = 'n1'`);
    await world.settle();
    expect(await ticketsAtCentre('n1')).toEqual([{ name: 'sold', lines: 1 }]);
  });

  it('takes along what the till added to it while it was refused', async () => {
    const a = till(0);
    sell(a, 'n1', 'bad-1');
    await world.settle();
    addLine(a, 'n1');
    await world.settle();
    const [first = '', ...rest] = await openLetters();
    expect(rest).toHaveLength(1);
    const set = [{ table: 'tickets', column: 'name', value: 'good-1' }];
    const { counts } = await ask<LettersResult>('dead-letter-retry', { ids: [first], set });
    expect(counts.applied).toBe(2);
    await world.settle();
    for (const at of [a, till(1)])
      expect(ticketsOn(at, 'n1')).toMatchObject([{ name: 'good-1', linked: 1, lines: 2 }]);
    expect(await ticketsAtCentre('n1')).toEqual([{ name: 'good-1', lines: 2 }]);
  });

  it('that the app mends itself is taken, and the rest of its dead letter by itself', async () => {
    const a = till(0);
    sell(a, 'n1', 'bad-1');
    await world.settle();
    a.app.exec(`UPDATE tickets SET name = 'mended' WHERE number = 'n1'`);
    await world.settle();
    const service = operations();
    while (await service.runNext());
    expect(await openLetters()).toEqual([]);
    await world.settle();
    for (const at of [a, till(1)])
      expect(ticketsOn(at, 'n1')).toEqual([{ name: 'mended', sync_status: 'synced', linked: 1, lines: 1 }]);
    expect(await ticketsAtCentre('n1')).toEqual([{ name: 'mended', lines: 1 }]);
  });

  it('says why it was refused, and no longer once it was taken', async () => {
    const a = till(0);
    const reasons = () =>
      a.app.prepare('SELECT table_name, reason FROM sync_given_up ORDER BY 1').raw().all();
    sell(a, 'n1', 'bad-1');
    await world.settle();
    expect(reasons()).toEqual([
      ['lines', expect.stringMatching(/^23514 \w+: the centre does not allow this value$/)],
      ['tickets', expect.stringMatching(/^23514 \w+: the centre does not allow this value$/)],
    ]);
    expect(JSON.stringify(reasons())).not.toContain('bad-1');
    await ask<LettersResult>('dead-letter-retry', {
      ids: await openLetters(),
      set: [{ table: 'tickets', column: 'name', value: 'good-1' }],
    });
    await world.settle();
    expect(reasons()).toEqual([]);
  });

  it('that is discarded stays on its till, flagged, and nowhere else', async () => {
    const a = till(0);
    sell(a, 'n1', 'bad-1');
    await world.settle();
    await ask<LettersResult>('dead-letter-discard', { ids: await openLetters() }, 'a test sale');
    await world.settle();
    expect(ticketsOn(a, 'n1')).toEqual([{ name: 'bad-1', sync_status: 'rejected', linked: 0, lines: 1 }]);
    expect(a.app.prepare('SELECT DISTINCT outcome FROM sync_settled').pluck().all()).toContain('discarded');
    expect(a.app.prepare('SELECT table_name, reason FROM sync_given_up ORDER BY 1').raw().all()).toEqual([
      ['lines', 'a test sale'],
      ['tickets', 'a test sale'],
    ]);
    expect(ticketsOn(till(1), 'n1')).toEqual([]);
    sell(a, 'n2', 'fine');
    await world.settle();
    expect(ticketsOn(till(1), 'n2')).toHaveLength(1);
  });
});

describe('a refused change of a row that the centre has', () => {
  const stocks = () =>
    world.tills.map(({ app }) => app.prepare(`SELECT name, stock FROM items WHERE sku = 'sku-1'`).get());

  it('counts its amount once and shows on every till when it is retried, whatever came later', async () => {
    const a = till(0);
    a.app.exec(`UPDATE items SET stock = stock - 3, name = 'bad' WHERE sku = 'sku-1'`);
    await world.settle();
    expect(stocks()).toEqual([1, 2, 3].map(() => ({ name: 'first-1', stock: 10 })));
    a.app.exec(`UPDATE items SET stock = stock - 1, name = 'newer' WHERE sku = 'sku-1'`);
    await world.settle();
    const ids = await openLetters();
    const set = [{ table: 'items', column: 'name', value: 'mended' }];
    await ask<LettersResult>('dead-letter-retry', { ids, set });
    const { counts } = await ask<LettersResult>('dead-letter-retry', { ids, set });
    expect(counts).toMatchObject({ applied: 0, closed: 1 });
    await world.settle();
    expect(stocks()).toEqual([1, 2, 3].map(() => ({ name: 'newer', stock: 6 })));
  });
});

describe('a conflict that is resolved', () => {
  it('flows down to every till', async () => {
    const [a, b] = [till(0), till(1)];
    a.app.exec(`UPDATE items SET name = 'of-a', updated_at = '2031-01-01T00:00:00Z' WHERE sku = 'sku-2'`);
    b.app.exec(`UPDATE items SET name = 'of-b', updated_at = '2032-01-01T00:00:00Z' WHERE sku = 'sku-2'`);
    await world.settle();
    const { rows } = await world.pool.query<{ id: string; terminal_row: string }>(
      'SELECT conflict_id::text AS id, terminal_row FROM payflow_sync.conflict ORDER BY conflict_id DESC LIMIT 1',
    );
    const [conflict] = rows;
    const values = { name: 'agreed' };
    const { written } = await ask<ResolveResult>('conflict-resolve', {
      id: conflict?.id,
      take: 'values',
      values,
    });
    expect(written).toBe('updated');
    await world.settle();
    for (const { app } of world.tills) {
      expect(app.prepare(`SELECT name FROM items WHERE sku = 'sku-2'`).pluck().get()).toBe('agreed');
    }
  });
});
