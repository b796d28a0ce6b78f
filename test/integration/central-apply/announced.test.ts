/** A file of a till that announces itself goes on without anybody, as long as the one before is silent. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Retention } from '../../../services/central-apply/retention.ts';
import { DecidedHeld } from '../../../services/central-apply/decided-held.ts';
import { listIncarnations, unfenceTerminal } from '../../../services/gateway/hand-over.ts';
import { listTerminals } from '../../../services/gateway/terminal-list.ts';
import {
  announcementUnit,
  FIRST_PREVIOUS_HASH,
  type Unit,
} from '../../../services/shared/records/unit-record.ts';
import { sale, useCentre } from '../../support/apply-site.ts';
import { silentLog, type FakeTill } from '../../support/centre.ts';

const centre = useCentre();

const take = (till: FakeTill, units: readonly Unit[], incarnation: string) =>
  centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), units, { incarnation })]);

/** The same entries in one unit, as the file that goes on cuts them. */
function anew(units: readonly Unit[]): Unit {
  const changes = units.flatMap((unit) => unit.changes);
  const seqs = changes.map(({ seq }) => seq);
  const hash = createHash('sha256').update(`anew ${seqs.join()}`).digest();
  return {
    number: 1,
    firstSeq: seqs[0] ?? 0,
    lastSeq: seqs.at(-1) ?? 0,
    hash,
    previousHash: FIRST_PREVIOUS_HASH,
    changes,
  };
}

const sellOne = (id: string) => ({
  op: 'u' as const,
  table: 'products',
  row: { identity: '', centralId: id },
  old: { stock: 10n },
  new: { stock: 7n },
});

async function product(): Promise<string> {
  const { id } = await centre.one<{ id: string }>(
    `INSERT INTO products (sku, name, price, stock) VALUES ('p' || random(), 'p', 1, 100) RETURNING id::text`,
  );
  return id;
}

const stockOf = async (id: string) =>
  Number((await centre.one<{ stock: string }>('SELECT stock FROM products WHERE id = $1', [id])).stock);

const numbersOf = async (till: FakeTill) => (await centre.ordersOf(till)).map(({ number }) => number);

const standingOf = (till: FakeTill) =>
  centre.one(
    `SELECT t.status, p.incarnation, p.standing FROM payflow_sync.terminal t
       JOIN payflow_sync.progress p USING (terminal_id) WHERE terminal_id = $1`,
    [till.terminal],
  );

const openLetters = (till: FakeTill) =>
  centre.all<{ code: string }>(
    `SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1 AND state = 'open'`,
    [till.terminal],
  );

const unfence = (till: FakeTill, incarnation: string) =>
  unfenceTerminal(centre.pool, { terminalId: till.terminal, incarnation, actor: { name: 'ada', why: 'x' } });

const carryOut = () =>
  new DecidedHeld({
    pool: centre.pool,
    log: silentLog,
    release: (terminal) => centre.apply.tryWaiting(terminal),
  }).look();

describe('a file that announces itself', () => {
  const announced = (predecessor: string) => announcementUnit(predecessor, { firstSeq: 1, lastSeq: 1 });

  test('goes on by itself; what came before counts once, also where it is announced twice', async () => {
    const till = await centre.newTill();
    const id = await product();
    const before = [till.unit(...sale('A')), till.unit(sellOne(id))];
    await take(till, before, 'old');
    await take(till, [announced('old')], 'new');
    await take(till, [announced('old')], 'new');
    expect(await standingOf(till)).toMatchObject({ status: 'enrolled', standing: 'ok', incarnation: 'new' });
    await take(till, before, 'old');
    const fresh = till.unit(...sale('B'));
    await take(till, [anew([...before, fresh])], 'new');
    expect(await stockOf(id)).toBe(97);
    expect(await numbersOf(till)).toEqual(['A', 'B']);
    expect(await standingOf(till)).toMatchObject({ status: 'enrolled', incarnation: 'new' });
    expect(await openLetters(till)).toEqual([]);
  });

  test('and the one before sells on: nothing of that is applied before an operator has decided', async () => {
    const till = await centre.newTill();
    await take(till, [till.unit(...sale('A'))], 'old');
    await take(till, [announced('old')], 'new');
    await take(till, [till.unit(...sale('B'))], 'old');
    expect(await standingOf(till)).toMatchObject({ status: 'fenced', incarnation: 'new' });
    await take(till, [announced('new')], 'newer');
    expect(await standingOf(till)).toMatchObject({ status: 'fenced', incarnation: 'new' });
    expect(await numbersOf(till)).toEqual(['A']);
    await unfence(till, 'old');
    await carryOut();
    expect(await numbersOf(till)).toEqual(['A', 'B']);
  });

  test('from one of two copies: the second waits, and with it both', async () => {
    const till = await centre.newTill();
    await take(till, [till.unit(...sale('A'))], 'old');
    await take(till, [announced('old')], 'one');
    await take(till, [announced('old')], 'two');
    expect(await standingOf(till)).toMatchObject({ status: 'fenced', incarnation: 'one' });
    expect((await listIncarnations(centre.pool, till.terminal)).map(({ state }) => state).sort()).toEqual([
      'current',
      'followed',
      'waiting',
    ]);
  });

  test('is heard alone: what comes behind it in one batch is judged by where the till stands then', async () => {
    const batchOf = (till: FakeTill, ...sent: readonly (readonly [readonly Unit[], string])[]) =>
      centre.apply.applyRecords(
        0,
        sent.map(([units, incarnation]) => till.stored(centre.nextOffset(), units, { incarnation })),
      );
    const first = await centre.newTill();
    await batchOf(
      first,
      [[first.unit(...sale('A'))], 'old'],
      [[announced('old')], 'one'],
      [[announced('old')], 'two'],
    );
    expect(await standingOf(first)).toMatchObject({ status: 'fenced', incarnation: 'one' });
    const waiting = await listIncarnations(centre.pool, first.terminal);
    expect(waiting.find(({ incarnation }) => incarnation === 'two')).toMatchObject({ state: 'waiting' });

    const second = await centre.newTill();
    const [a, b] = [second.unit(...sale('A')), second.unit(...sale('B'))];
    await batchOf(second, [[a], 'old'], [[announced('old')], 'new'], [[b], 'old']);
    expect(await standingOf(second)).toMatchObject({ status: 'fenced', incarnation: 'new' });
    await unfence(second, 'old');
    await carryOut();
    expect(await numbersOf(second)).toEqual(['A', 'B']);
    expect(await openLetters(second)).toEqual([]);
  });

  test('of a till whose unit came with other contents, and no other file is known: it goes on as well', async () => {
    const till = await centre.newTill();
    const [one, two] = [till.unit(...sale('A')), till.unit(...sale('B'))];
    await take(till, [one, two], 'old');
    const other = { ...two, hash: createHash('sha256').update('other').digest() };
    await take(till, [other], 'old');
    expect(await standingOf(till)).toMatchObject({ status: 'fenced' });
    await take(till, [announced('old')], 'new');
    expect(await standingOf(till)).toMatchObject({ status: 'enrolled', standing: 'ok', incarnation: 'new' });
    await carryOut();
    await take(till, [anew([one, two])], 'new');
    expect(await numbersOf(till)).toEqual(['A', 'B']);
    expect(await openLetters(till)).toEqual([]);
  });

  test('and what it sends in one batch with that is applied, behind what the one before sent in it', async () => {
    const till = await centre.newTill();
    const id = await product();
    const before = [till.unit(...sale('A')), till.unit(sellOne(id))];
    const fresh = till.unit(...sale('B'));
    const stored = (units: readonly Unit[], incarnation: string) =>
      till.stored(centre.nextOffset(), units, { incarnation });
    const batch = [
      stored(before, 'old'),
      stored([announced('old')], 'new'),
      stored([anew([...before, fresh])], 'new'),
    ];
    await centre.apply.applyRecords(0, batch);
    expect([await numbersOf(till), await stockOf(id)]).toEqual([['A', 'B'], 97]);
    await centre.apply.applyRecords(0, batch);
    expect([await numbersOf(till), await stockOf(id)]).toEqual([['A', 'B'], 97]);
    expect(await standingOf(till)).toMatchObject({ status: 'enrolled', incarnation: 'new' });
  });
});

describe('what a restored file sends of a time of which the evidence is gone', () => {
  const DAY_MS = 24 * 3_600_000;
  const announced = announcementUnit('old', { firstSeq: 1, lastSeq: 1 });
  const at = (unit: Unit, capturedAtMs: number): Unit => ({
    ...unit,
    changes: unit.changes.map((change) => ({ ...change, capturedAtMs })),
  });
  const forgetAll = async (till: FakeTill) => {
    await centre.pool.query(
      `UPDATE payflow_sync.outcome SET applied_at = now() - interval '40 days' WHERE terminal_id = $1`,
      [till.terminal],
    );
    await new Retention({ pool: centre.pool, retentionDays: 30, log: silentLog }).purge();
  };

  test('waits as a dead letter: nothing of it counts twice, and an insert is known by its link', async () => {
    const till = await centre.newTill();
    const id = await product();
    const longAgo = Date.now() - 41 * DAY_MS;
    const before = [at(till.unit(...sale('A')), longAgo), at(till.unit(sellOne(id)), longAgo)];
    await take(till, before, 'old');
    expect(await stockOf(id)).toBe(97);
    await forgetAll(till);
    await take(till, [announced], 'new');
    await take(till, [anew(before)], 'new');
    expect([await stockOf(id), await numbersOf(till)]).toEqual([97, ['A']]);
    expect(await openLetters(till)).toEqual([{ code: 'EVIDENCE_GONE' }]);
    const [shown] = await listTerminals(centre.pool, { terminalId: till.terminal });
    expect(shown).toMatchObject({ evidenceGone: 1, deadLetters: 1 });
  });

  test('is applied where it was sold since, or was never counted', async () => {
    const till = await centre.newTill();
    const id = await product();
    const longAgo = Date.now() - 41 * DAY_MS;
    await take(till, [at(till.unit(sellOne(id)), longAgo), at(till.unit(sellOne(id)), longAgo)], 'old');
    await forgetAll(till);
    await take(till, [announced], 'new');
    const lost = at(till.unit(...sale('B')), longAgo);
    const own = at(till.unit(sellOne(id)), Date.now());
    const reused = { ...own, changes: own.changes.map((change, n) => ({ ...change, seq: n + 1 })) };
    await take(till, [anew([reused, lost])], 'new');
    expect([await stockOf(id), await numbersOf(till)]).toEqual([91, ['B']]);
    expect(await openLetters(till)).toEqual([]);
  });
});
