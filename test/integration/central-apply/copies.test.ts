/** What copies of a till's file hold in common counts once, whoever decides about them, and in whatever order. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { DecidedHeld } from '../../../services/central-apply/decided-held.ts';
import { Retention } from '../../../services/central-apply/retention.ts';
import { unfenceTerminal } from '../../../services/gateway/hand-over.ts';
import {
  announcementUnit,
  FIRST_PREVIOUS_HASH,
  type Unit,
} from '../../../services/shared/records/unit-record.ts';
import { sale, useCentre } from '../../support/apply-site.ts';
import { Asking } from '../../support/asking.ts';
import { silentLog, type FakeTill } from '../../support/centre.ts';

const centre = useCentre();
const asking = new Asking(centre);

const take = (till: FakeTill, units: readonly Unit[], incarnation: string) =>
  centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), units, { incarnation })]);

const announced = (predecessor: string) => announcementUnit(predecessor, { firstSeq: 1, lastSeq: 1 });

async function product(): Promise<string> {
  const { id } = await centre.one<{ id: string }>(
    `INSERT INTO products (sku, name, price, stock) VALUES ('p' || random(), 'p', 1, 100) RETURNING id::text`,
  );
  return id;
}

const sellThree = (id: string) => ({
  op: 'u' as const,
  table: 'products',
  row: { identity: '', centralId: id },
  old: { stock: 10n },
  new: { stock: 7n },
});

const stockOf = async (id: string) =>
  Number((await centre.one<{ stock: string }>('SELECT stock FROM products WHERE id = $1', [id])).stock);

const letterIds = async (till: FakeTill) =>
  (
    await centre.all<{ id: string }>(
      `SELECT dead_letter_id::text AS id FROM payflow_sync.dead_letter
        WHERE terminal_id = $1 AND state = 'open' ORDER BY dead_letter_id`,
      [till.terminal],
    )
  ).map(({ id }) => id);

const unfence = (till: FakeTill, incarnation: string) =>
  unfenceTerminal(centre.pool, { terminalId: till.terminal, incarnation, actor: { name: 'ada', why: 'x' } });

const carryOut = () =>
  new DecidedHeld({
    pool: centre.pool,
    log: silentLog,
    release: (terminal) => centre.apply.tryWaiting(terminal),
  }).look();

/** The same entries as another file cuts them. */
const cutAs = (unit: Unit, name: string, place: Partial<Unit>): Unit => ({
  ...unit,
  ...place,
  hash: createHash('sha256').update(`${name} ${unit.firstSeq}`).digest(),
});

/** A clone took three off under the number that the original gave to a sale, and both announced themselves. */
async function clonedTill(): Promise<{ till: FakeTill; id: string; again: Unit }> {
  const till = await centre.newTill();
  const id = await product();
  const one = till.unit(...sale('A'));
  const mine = till.unit(...sale('O'));
  await take(till, [one, mine], 'n');
  const sold = till.unit(sellThree(id));
  const { firstSeq } = mine;
  const changes = sold.changes.map((change) => ({ ...change, seq: firstSeq }));
  const x: Unit = { ...sold, firstSeq, lastSeq: firstSeq, changes };
  await take(till, [cutAs(x, 'clone', { number: 2, previousHash: one.hash })], 'n');
  await take(till, [announced('n')], 'clone');
  await carryOut();
  await take(till, [announced('n')], 'original');
  return { till, id, again: cutAs(x, 'again', { number: 1, previousHash: FIRST_PREVIOUS_HASH }) };
}

test('what is given up of a second file stands in a letter of the first already: no second one', async () => {
  const { till, id, again } = await clonedTill();
  await take(till, [again], 'clone');
  await unfence(till, 'original');
  await carryOut();
  const letters = await letterIds(till);
  expect(letters).toHaveLength(1);
  await asking.retry(letters);
  expect(await stockOf(id)).toBe(97);
  expect(await letterIds(till)).toEqual([]);
});

test('two letters of one change that an earlier version wrote: the retry of both counts once', async () => {
  const { till, id, again } = await clonedTill();
  await centre.pool.query(
    `INSERT INTO payflow_sync.dead_letter (terminal_id, incarnation, unit, first_seq, last_seq, changes, code, message, store_id, trusted, received_at_ms)
     SELECT terminal_id, 'clone', unit, first_seq, last_seq, changes, code, message, store_id, trusted, received_at_ms
       FROM payflow_sync.dead_letter WHERE terminal_id = $1`,
    [till.terminal],
  );
  const letters = await letterIds(till);
  expect(letters).toHaveLength(2);
  await asking.retry(letters);
  expect(await stockOf(id)).toBe(97);
  expect(await letterIds(till)).toEqual([]);
  await take(till, [again], 'clone');
  await unfence(till, 'clone');
  await carryOut();
  expect(await stockOf(id)).toBe(97);
  expect(await letterIds(till)).toEqual([]);
});

test('copies that are given up together write one letter of what they share', async () => {
  const { till, id, again } = await clonedTill();
  await centre.pool.query(`UPDATE payflow_sync.dead_letter SET state = 'superseded' WHERE terminal_id = $1`, [
    till.terminal,
  ]);
  await take(till, [announced('clone')], 'third');
  await take(till, [again], 'clone');
  await take(till, [again], 'third');
  await unfence(till, 'original');
  await carryOut();
  const letters = await letterIds(till);
  expect(letters).toHaveLength(1);
  await asking.retry(letters);
  expect(await stockOf(id)).toBe(97);
});

test('an announcement that was sent before its till was retired leaves it retired', async () => {
  const till = await centre.newTill();
  await take(till, [till.unit(...sale('A'))], 'old');
  await centre.pool.query(`UPDATE payflow_sync.progress SET standing = 'retired' WHERE terminal_id = $1`, [
    till.terminal,
  ]);
  await centre.pool.query('UPDATE payflow_sync.terminal SET retire_offset = 100000 WHERE terminal_id = $1', [
    till.terminal,
  ]);
  await take(till, [announced('old')], 'new');
  const place = 'SELECT incarnation, standing FROM payflow_sync.progress WHERE terminal_id = $1';
  expect(await centre.one(place, [till.terminal])).toEqual({ incarnation: 'new', standing: 'retired' });
});

test('a till whose units name an unknown registration waits for a person, and not for ever new names', async () => {
  const till = await centre.newTill();
  await take(till, [till.unit(...sale('A'))], 'old');
  const x = { ...till.unit(...sale('X')), registration: 7 };
  await take(till, [x], 'old');
  await take(till, [announced('old')], 'new');
  const place = `SELECT incarnation, standing, fenced_for FROM payflow_sync.progress
                   JOIN payflow_sync.terminal USING (terminal_id) WHERE terminal_id = $1`;
  const stays = { incarnation: 'old', standing: 'fenced', fenced_for: 'registration' };
  expect(await centre.one(place, [till.terminal])).toEqual(stays);
  await carryOut();
  expect(await letterIds(till)).toEqual([]);
  await centre.pool.query(
    `INSERT INTO payflow_sync.registration (terminal_id, registration, store_id)
     SELECT terminal_id, 7, store_id FROM payflow_sync.terminal WHERE terminal_id = $1`,
    [till.terminal],
  );
  await unfence(till, 'new');
  await take(till, [cutAs(x, 'again', { number: 1, previousHash: FIRST_PREVIOUS_HASH })], 'new');
  await carryOut();
  expect((await centre.ordersOf(till)).map(({ number }) => number)).toEqual(['A', 'X']);
  expect(await letterIds(till)).toEqual([]);
});

test('a refused change whose outcome went by age stays in its one letter, however often it comes', async () => {
  const till = await centre.newTill();
  const id = await product();
  await centre.pool.query('ALTER TABLE products ADD CONSTRAINT not_97 CHECK (stock <> 97) NOT VALID');
  const sold = till.unit({ ...sellThree(id), atMs: Date.now() - 41 * 86_400_000 });
  await take(till, [sold], 'old');
  const letters = await letterIds(till);
  expect(letters).toHaveLength(1);
  await centre.pool.query('ALTER TABLE products DROP CONSTRAINT not_97');
  await centre.pool.query(
    `UPDATE payflow_sync.outcome SET applied_at = now() - interval '40 days' WHERE terminal_id = $1`,
    [till.terminal],
  );
  await new Retention({ pool: centre.pool, retentionDays: 30, log: silentLog }).purge();
  await take(till, [announced('old')], 'new');
  await take(till, [cutAs(sold, 'again', { number: 1, previousHash: FIRST_PREVIOUS_HASH })], 'new');
  expect(await letterIds(till)).toEqual(letters);
  await asking.retry(letters);
  expect(await stockOf(id)).toBe(97);
  const { exceptions } = await centre.one<{ exceptions: string }>(
    'SELECT exceptions FROM payflow_sync.progress WHERE terminal_id = $1',
    [till.terminal],
  );
  expect(exceptions).toBe('[]');
});
