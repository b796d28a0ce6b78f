/** How units go up and how often: in parts, again until they are settled, or only when asked. */
import { describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import type { Health } from '../../../services/shared/lifecycle.ts';
import { joinPieces } from '../../../services/shared/records/change-pieces.ts';
import { boundsFault } from '../../../services/shared/records/unit-bounds.ts';
import type { UnitChange } from '../../../services/shared/records/unit-record.ts';
import { unsettledUnits } from '../../../services/terminal-agent/settle/unsettled-units.ts';
import { TillRetention } from '../../../services/terminal-agent/units/retention.ts';
import { silentLog } from '../../support/till.ts';
import { sell, type TillPull, UP, useTillPull, uuid } from '../../support/till-pull.ts';

const till = useTillPull();

describe('a large unit', () => {
  it('goes up in parts, and again in the same parts although more links are known', async () => {
    const t = await till();
    t.app.transaction(() => {
      for (let n = 0; n < 40; n += 1) {
        t.app.prepare('INSERT INTO orders (note, local_id) VALUES (?, ?)').run('x'.repeat(20_000), uuid(n));
      }
      t.app.exec('INSERT INTO items (order_id) SELECT id FROM orders');
    })();
    await t.pull();
    const once = await t.records();
    expect(once.length).toBeGreaterThan(3);
    expect(once.map(({ part, parts }) => [part, parts])).toEqual(
      once.map((_, index) => [index + 1, once.length]),
    );
    expect(once.flatMap(({ units }) => units[0]?.changes ?? []).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 80 }, (_, index) => index + 1),
    );
    t.till.db.exec(`INSERT INTO sync_row_orders (central_id, row_key, position)
      SELECT '${'9'.repeat(300)}' || id, id, x'00' FROM orders`);
    t.publisher.republishAll();
    await t.pull();
    const again = (await t.records()).slice(once.length);
    const seqs = (records: typeof once) =>
      records.map(({ part, units }) => [part, units[0]?.changes.map(({ seq }) => seq)]);
    expect(seqs(again)).toEqual(seqs(once));
  });
});

describe('a topic that takes smaller records than before', () => {
  const limitTo = (t: TillPull, bytes: number) =>
    t.log.changeTopic(UP.topic, new Map([['max.message.bytes', String(bytes + 1024)]]));

  it('gets units that shared a record one by one', async () => {
    const t = await till();
    for (const n of [1, 2, 3, 4]) {
      sell(t, n);
      t.capture.cutAll();
    }
    await limitTo(t, 2_500);
    await t.pull();
    const records = await t.records();
    expect(records.map(({ units }) => units.map(({ number }) => number))).toEqual([[1], [2], [3], [4]]);
  });

  it('gets what is in front of a unit that is larger, each once', async () => {
    const t = await till();
    for (const n of [1, 2]) {
      sell(t, n);
      t.capture.cutAll();
    }
    t.app.prepare('INSERT INTO orders (note, local_id) VALUES (?, ?)').run('x'.repeat(50_000), uuid(9));
    t.capture.cutAll();
    sell(t, 3);
    await limitTo(t, 20_000);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await expect(t.pull()).rejects.toMatchObject({ code: 'LOG_RECORD_TOO_LARGE' });
    }
    expect((await t.units()).map(({ number }) => number)).toEqual([1, 2]);
    await limitTo(t, 16_000_000);
    await t.pull();
    expect((await t.units()).map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  });

  it('a unit that is larger waits with those behind it, with a code, and goes when it may', async () => {
    const t = await till();
    sell(t, 1);
    await t.pull();
    t.app.prepare('INSERT INTO orders (note, local_id) VALUES (?, ?)').run('x'.repeat(50_000), uuid(9));
    t.capture.cutAll();
    sell(t, 2);
    await limitTo(t, 20_000);
    const health: Health[] = [];
    const stop = new AbortController();
    const publisher = t.newPublisher(t.log, { onHealth: (state) => health.push(state) });
    const running = publisher.run(stop.signal);
    const isHeld = () =>
      health.filter((state) => state.state === 'unready' && state.error.code === 'LOG_RECORD_TOO_LARGE')
        .length;
    await until(() => isHeld() > 1, 'the unit is tried again and again');
    expect((await t.units()).map(({ number }) => number)).toEqual([1]);
    await limitTo(t, 16_000_000);
    t.capture.cutAll();
    await until(async () => (await t.units()).length === 3, 'everything is there');
    expect((await t.units()).map(({ number }) => number)).toEqual([1, 2, 3]);
    stop.abort();
    await running;
  });
});

describe('a change that no record of a topic holds', () => {
  const photo = Buffer.alloc(20 * 1024 * 1024, 'photo');
  const text = '€'.repeat(6 * 1024 * 1024);
  const changesOf = async (t: TillPull) => joinPieces(await t.changes());
  const notes = (changes: readonly UnitChange[]) =>
    changes
      .filter(({ table }) => table === 'orders')
      .map(({ columns }) => columns.find(({ name }) => name === 'note')?.new);

  it('goes up in pieces, in its transaction, and what is sold later goes up behind it', async () => {
    const t = await till();
    const add = t.app.prepare('INSERT INTO orders (note, local_id) VALUES (?, ?)');
    t.app.transaction(() => [photo, 'small', text].forEach((note, at) => add.run(note, uuid(at + 50))))();
    t.capture.cutAll();
    sell(t, 1, 0);
    await t.pull();
    for (const record of await t.records()) expect(boundsFault(record)).toBeNull();
    expect((await t.units()).at(-1)?.number).toBe(2);
    const changes = await changesOf(t);
    expect(changes.map(({ table }) => table)).toEqual(['orders', 'orders', 'orders', 'orders']);
    // Compared by identity first: a difference of such values can't be printed.
    const [first, second, third] = notes(changes);
    expect(Buffer.isBuffer(first) && first.equals(photo)).toBe(true);
    expect(second).toBe('small');
    expect(third === text).toBe(true);
  });

  it('goes up again whole under another name of its file', async () => {
    const t = await till();
    t.app.prepare('INSERT INTO orders (note, local_id) VALUES (?, ?)').run(photo, uuid(50));
    t.capture.cutAll();
    const again = unsettledUnits(t.till.db, t.agentFile);
    expect(again.map(({ changes, hash }) => [changes, hash])).toEqual([[1, t.agentFile.last()?.hash]]);
    expect(again[0]?.parts.length).toBe(6);
  });
});

describe('until it is settled', () => {
  it('the oldest unit goes up again, less and less often', async () => {
    const t = await till();
    sell(t, 1);
    t.capture.cutAll();
    sell(t, 2);
    await t.pull();
    const again = async () => {
      const before = (await t.units()).length;
      await t.pull();
      return (await t.units()).slice(before).map(({ number }) => number);
    };
    expect(await again()).toEqual([]);
    t.clock.now += 60_000;
    expect(await again()).toEqual([1]);
    t.clock.now += 60_000;
    expect(await again()).toEqual([]);
    t.clock.now += 60_000;
    expect(await again()).toEqual([1]);
    t.settle(5);
    t.clock.now += 60_000;
    expect(await again()).toEqual([2]);
    t.settle(10);
    t.clock.now += 3_600_000;
    expect(await again()).toEqual([]);
    expect(t.publisher.settledSeq).toBe(10);
  });

  it('it goes up again when the till’s clock was set back since', async () => {
    const t = await till();
    sell(t, 1);
    await t.pull();
    t.clock.now -= 400 * 86_400_000;
    await t.pull();
    await t.pull();
    expect((await t.units()).map(({ number }) => number)).toEqual([1, 1]);
  });

  it('everything unsettled goes up again when asked', async () => {
    const t = await till();
    for (const n of [1, 2, 3]) {
      sell(t, n);
      t.capture.cutAll();
    }
    await t.pull();
    t.settle(5);
    expect(t.publisher.republishAll()).toBe(2);
    await t.pull();
    expect((await t.units()).map(({ number }) => number)).toEqual([1, 2, 3, 2, 3]);
  });

  it('nothing of it is removed, nor ever the last unit, nor what came after an insert that was refused', async () => {
    const t = await till();
    for (const n of [1, 2, 3]) {
      sell(t, n);
      t.capture.cutAll();
    }
    const { flight } = t.capture;
    const retention = new TillRetention({
      till: t.till,
      agentFile: t.agentFile,
      flight,
      settledSeq: () => t.publisher.settledSeq,
      log: silentLog,
      now: () => Date.now() + 31 * 24 * 3_600_000,
    });
    expect(retention.purgeSome()).toBe(0);
    const second = flight.get(2);
    if (second === undefined) throw new Error('two changes at least');
    t.till.write(() => flight.settle(second, 'rejected'));
    t.settle(15);
    expect(retention.purgeSome()).toBe(0);
    t.till.write(() => flight.endRefusal(second, 'discarded'));
    expect(retention.purgeSome()).toBe(10);
    expect(retention.purgeSome()).toBe(0);
    expect(t.agentFile.changes.after(0).map(({ number }) => number)).toEqual([11, 12, 13, 14, 15]);
    expect(t.app.prepare('SELECT change FROM sync_settled').pluck().all()).toEqual([11, 12, 13, 14, 15]);
    t.restart();
    expect(t.capture.checkFile()).toBeUndefined();
  });
});

describe('a till that is not in stream mode', () => {
  it('publishes nothing before a flush, and then up to its mark', async () => {
    const t = await till({ mode: 'manual' });
    sell(t, 1);
    const mark = t.capture.cutAll();
    sell(t, 2);
    await t.pull();
    expect(await t.units()).toEqual([]);
    t.publisher.flush(mark?.number ?? 0);
    await t.pull();
    expect((await t.units()).map(({ number }) => number)).toEqual([1]);
  });
});
