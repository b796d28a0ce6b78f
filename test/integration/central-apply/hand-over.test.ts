/** A fenced till goes on when an operator says with which file: what came before counts once, the rest is kept. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { DecidedHeld } from '../../../services/central-apply/decided-held.ts';
import { changeHash, timelessHash } from '../../../services/central-apply/rows/change-hash.ts';
import { listIncarnations, unfenceTerminal } from '../../../services/gateway/hand-over.ts';
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

const carryOut = () =>
  new DecidedHeld({
    pool: centre.pool,
    log: silentLog,
    release: (terminal) => centre.apply.tryWaiting(terminal),
  }).look();

const unfence = (till: FakeTill, incarnation: string) =>
  unfenceTerminal(centre.pool, {
    terminalId: till.terminal,
    incarnation,
    actor: { name: 'ada', why: 'the disk was replaced' },
  });

/** The same entries as a file cuts them that has lost its agent file: other units, the same seqs. */
function cutAnew(units: readonly Unit[], number = 1, previousHash: Buffer = FIRST_PREVIOUS_HASH): Unit {
  const changes = units.flatMap((unit) => unit.changes);
  const hash = createHash('sha256')
    .update(`anew ${changes.map(({ seq }) => seq).join()}`)
    .digest();
  return {
    number,
    firstSeq: changes[0]?.seq ?? 0,
    lastSeq: changes.at(-1)?.seq ?? 0,
    hash,
    previousHash,
    changes,
  };
}

const take = (till: FakeTill, units: readonly Unit[], incarnation: string) =>
  centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), units, { incarnation })]);

const deltaOf = (sku: string) => [
  {
    op: 'u' as const,
    table: 'products',
    row: { identity: '', centralId: sku },
    old: { stock: 10n },
    new: { stock: 7n },
  },
];

async function product(): Promise<string> {
  const { id } = await centre.one<{ id: string }>(
    `INSERT INTO products (sku, name, price, stock) VALUES ('p' || random(), 'p', 1, 100) RETURNING id::text`,
  );
  return id;
}

const stockOf = async (id: string) =>
  Number((await centre.one<{ stock: string }>('SELECT stock FROM products WHERE id = $1', [id])).stock);

const openLetters = (till: FakeTill) =>
  centre.all<{ code: string; incarnation: string; changes: string }>(
    `SELECT code, incarnation, changes FROM payflow_sync.dead_letter WHERE terminal_id = $1 AND state = 'open'`,
    [till.terminal],
  );

const standingOf = (till: FakeTill) =>
  centre.one(
    `SELECT t.status, p.incarnation, p.standing, p.standing_why FROM payflow_sync.terminal t
       JOIN payflow_sync.progress p USING (terminal_id) WHERE terminal_id = $1`,
    [till.terminal],
  );

describe('a file that lost its agent file', () => {
  test('goes on: what is known is settled, deltas count once, the rest is applied, also what was held', async () => {
    const till = await centre.newTill();
    const id = await product();
    const known = [till.unit(...sale('A')), till.unit(...deltaOf(id))];
    await take(till, known, 'old');
    const fresh = till.unit(...sale('B'), ...deltaOf(id));
    const anew = cutAnew([...known, fresh]);
    expect(await take(till, [anew], 'new')).toMatchObject({ units: 0, heldRecords: 1 });
    expect(await standingOf(till)).toMatchObject({
      status: 'fenced',
      standing: 'fenced',
      incarnation: 'old',
    });
    expect(await listIncarnations(centre.pool, till.terminal)).toMatchObject([
      { incarnation: 'old', state: 'current', units: 2, heldRecords: 0 },
      { incarnation: 'new', state: 'waiting', units: 1, heldRecords: 1, heldReasons: ['fenced'] },
    ]);

    expect(await unfence(till, 'new')).toEqual({
      terminalId: till.terminal,
      incarnation: 'new',
      released: 1,
      givenUp: 0,
    });
    await carryOut();
    expect((await centre.ordersOf(till)).map(({ number, items }) => [number, items])).toEqual([
      ['A', '2'],
      ['B', '2'],
    ]);
    expect(await stockOf(id)).toBe(94);
    expect(await standingOf(till)).toMatchObject({ status: 'enrolled', standing: 'ok', incarnation: 'new' });
    const { entries } = await centre.one<{ entries: string }>(
      `SELECT entries FROM payflow_sync.outcome WHERE terminal_id = $1 AND incarnation = 'new'`,
      [till.terminal],
    );
    const outcomes = JSON.parse(entries) as [number, string, string | null, string][];
    expect(outcomes.map(([seq, , , outcome]) => [seq, outcome])).toEqual([
      [1, 'duplicate'],
      [2, 'duplicate'],
      [3, 'duplicate'],
      [4, 'duplicate'],
      [5, 'duplicate'],
      [6, 'applied'],
      [7, 'applied'],
      [8, 'applied'],
      [9, 'applied'],
      [10, 'applied'],
    ]);
    const next = cutAnew([till.unit(...sale('C'))], 2, anew.hash);
    expect(await take(till, [next], 'new')).toMatchObject({ units: 1, heldRecords: 0 });
    expect(await openLetters(till)).toEqual([]);
  });

  test('is known also by evidence of the version before, which left out the time of a change', async () => {
    const till = await centre.newTill();
    const id = await product();
    const known = till.unit(...deltaOf(id));
    await take(till, [known], 'old');
    const [change] = known.changes;
    if (change === undefined) throw new Error('the unit holds no change');
    await centre.pool.query(
      'UPDATE payflow_sync.outcome SET entries = replace(entries, $2, $3) WHERE terminal_id = $1',
      [till.terminal, changeHash(change), timelessHash(change)],
    );
    await take(till, [cutAnew([known])], 'new');
    await unfence(till, 'new');
    await carryOut();
    expect(await stockOf(id)).toBe(97);
  });

  test('a refused change that comes again is refused again, under the dead letter that is there', async () => {
    const till = await centre.newTill();
    const refused = till.unit({
      op: 'c',
      table: 'payments',
      row: 'orphan',
      new: { method: 'cash', amount_cents: 1n },
      references: { order_id: 'nowhere' },
    });
    await take(till, [refused], 'old');
    expect(await openLetters(till)).toHaveLength(1);
    await take(till, [cutAnew([refused])], 'new');
    await unfence(till, 'new');
    await carryOut();
    expect(await openLetters(till)).toHaveLength(1);
    expect(await centre.progressOf(till)).toMatchObject({ exceptions: '[[1,1,"rejected"]]', last_unit: '1' });
  });
});

describe('a refused part', () => {
  const mend = { set: [{ table: 'order_items', column: 'quantity', value: '1', seq: 2 }] };
  const letterOf = (till: FakeTill) =>
    centre.one<{ id: string; incarnation: string }>(
      'SELECT dead_letter_id::text AS id, incarnation FROM payflow_sync.dead_letter WHERE terminal_id = $1',
      [till.terminal],
    );

  test('becomes the letter of the file that goes on, and that file is told what comes of its retry', async () => {
    const till = await centre.newTill();
    const refused = till.unit(...sale('A', 0n));
    await take(till, [refused], 'old');
    await take(till, [cutAnew([refused])], 'new');
    await unfence(till, 'new');
    await carryOut();
    const { id, incarnation } = await letterOf(till);
    expect(incarnation).toBe('new');
    expect(await centre.progressOf(till)).toMatchObject({ exceptions: '[[1,4,"rejected"]]' });
    expect(await asking.retryOne(id, mend)).toMatchObject({ state: 'applied' });
    expect(await centre.progressOf(till)).toMatchObject({ incarnation: 'new', exceptions: '[]' });
    expect(await centre.ordersOf(till)).toMatchObject([{ number: 'A', items: '2' }]);
    expect(
      await centre.one(
        'SELECT incarnation FROM payflow_sync.outcome WHERE terminal_id = $1 AND unit = $2::bigint',
        [till.terminal, `-${id}`],
      ),
    ).toEqual({ incarnation: 'new' });
  });

  test('of which the file that goes on has but the beginning stays with the file that sent all of it', async () => {
    const till = await centre.newTill();
    const refused = till.unit(...sale('A', 0n));
    await take(till, [refused], 'old');
    await take(till, [cutAnew([{ ...refused, changes: refused.changes.slice(0, 1) }])], 'new');
    await unfence(till, 'new');
    await carryOut();
    expect(await letterOf(till)).toMatchObject({ incarnation: 'old' });
    expect(await centre.progressOf(till)).toMatchObject({ exceptions: '[[1,1,"rejected"]]' });
    // What the file that goes on has sent of it is decided with the letter, lest it is refused for ever.
    const { id } = await centre.one<{ id: string }>(
      'SELECT dead_letter_id::text AS id FROM payflow_sync.dead_letter WHERE terminal_id = $1',
      [till.terminal],
    );
    await asking.discard([id], 'a test');
    expect(await centre.progressOf(till)).toMatchObject({ exceptions: '[[1,1,"discarded","a test"]]' });
  });
});

describe('two files that live on', () => {
  test('the one goes on; what the other sent is a dead letter, whole, and what it sends later is held', async () => {
    const till = await centre.newTill();
    const first = till.unit(...sale('A'));
    await take(till, [first], 'old');
    const copy = till.unit(...sale('COPY'));
    const other = { ...copy, number: 1, previousHash: FIRST_PREVIOUS_HASH };
    await take(till, [other], 'copy');
    const own = till.unit(...sale('OWN'));
    await take(till, [{ ...own, number: 2, previousHash: first.hash }], 'old');
    expect(await unfence(till, 'old')).toMatchObject({ incarnation: 'old', released: 1, givenUp: 1 });
    await carryOut();
    expect((await centre.ordersOf(till)).map(({ number }) => number)).toEqual(['A', 'OWN']);
    const letters = await openLetters(till);
    expect(letters).toMatchObject([{ code: 'TERMINAL_FENCED', incarnation: 'copy' }]);
    expect((JSON.parse(letters[0]?.changes ?? '[]') as unknown[]).length).toBe(4);
    // All that a retry needs.
    expect(
      await centre.one(
        `SELECT d.indexed, d.trusted, d.store_id = t.store_id AS own, d.received_at_ms IS NOT NULL AS dated,
                (SELECT count(*) FROM payflow_sync.dead_letter_row r WHERE r.dead_letter_id = d.dead_letter_id) > 0 AS named
           FROM payflow_sync.dead_letter d JOIN payflow_sync.terminal t USING (terminal_id)
          WHERE d.terminal_id = $1 AND d.state = 'open'`,
        [till.terminal],
      ),
    ).toMatchObject({ indexed: true, trusted: true, own: true, dated: true, named: true });

    expect(await take(till, [{ ...other, number: 2 }], 'copy')).toMatchObject({ units: 0, heldRecords: 1 });
    expect(await standingOf(till)).toMatchObject({ status: 'enrolled', standing: 'ok' });
    expect(
      await centre.all(`SELECT reason FROM payflow_sync.held WHERE terminal_id = $1`, [till.terminal]),
    ).toEqual([{ reason: 'superseded' }]);
  });

  test('both take the same off the same stock under the same number: each counts', async () => {
    const till = await centre.newTill();
    const id = await product();
    const theirs = till.unit(...deltaOf(id));
    await take(till, [theirs], 'old');
    const own = cutAnew([
      { ...theirs, changes: theirs.changes.map((change) => ({ ...change, capturedAtMs: 7 })) },
    ]);
    await take(till, [own], 'new');
    await unfence(till, 'new');
    await carryOut();
    expect(await stockOf(id)).toBe(94);
  });

  test('the other goes on after all: what it sends again leaves the dead letter that it had become', async () => {
    const till = await centre.newTill();
    const id = await product();
    const first = till.unit(...sale('A'));
    await take(till, [first], 'old');
    await take(till, [announcementUnit('old', { firstSeq: 1, lastSeq: 1 })], 'new');
    const late = till.unit(...deltaOf(id));
    await take(till, [late], 'old');
    await unfence(till, 'new');
    await carryOut();
    expect(await openLetters(till)).toHaveLength(1);
    await unfence(till, 'old');
    await take(till, [late], 'old');
    expect(await stockOf(id)).toBe(97);
    expect(await openLetters(till)).toEqual([]);
  });

  test('a dead letter of the other is left by what the file that goes on sends itself', async () => {
    const till = await centre.newTill();
    const id = await product();
    await take(till, [till.unit(...sale('A'))], 'old');
    const held = till.unit(...deltaOf(id), ...sale('B'));
    await take(till, [cutAnew([held])], 'other');
    await unfence(till, 'old');
    await carryOut();
    expect(await openLetters(till)).toHaveLength(1);
    const announced = announcementUnit('old', { firstSeq: 5, lastSeq: 9 });
    await take(till, [announced], 'third');
    expect(await standingOf(till)).toMatchObject({ status: 'enrolled', incarnation: 'third' });
    await take(till, [cutAnew([held])], 'third');
    expect(await stockOf(id)).toBe(97);
    expect(await openLetters(till)).toEqual([]);
  });

  test('both under one name: neither pushes out what is held of the other', async () => {
    const till = await centre.newTill();
    const [one, two] = [till.unit(...sale('A')), till.unit(...sale('B'))];
    await take(till, [one, two], 'same');
    const forged = { ...two, hash: createHash('sha256').update('x').digest() };
    await take(till, [one, forged], 'same');
    const third = { ...till.unit(...sale('C')), number: 3, previousHash: two.hash };
    const theirs = { ...third, hash: createHash('sha256').update('y').digest(), previousHash: forged.hash };
    await take(till, [third], 'same');
    await take(till, [theirs], 'same');
    expect(
      await centre.all('SELECT unit, reason FROM payflow_sync.held WHERE terminal_id = $1', [till.terminal]),
    ).toHaveLength(3);
  });
});

describe('unfence', () => {
  test('typed twice changes nothing more, and an unknown incarnation is refused with those that are known', async () => {
    const till = await centre.newTill();
    await take(till, [till.unit(...sale('A'))], 'old');
    await take(till, [cutAnew([till.unit(...sale('B'))])], 'new');
    await expect(unfence(till, 'nobody')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('old, new') as string,
    });
    await unfence(till, 'new');
    await carryOut();
    const before = await centre.progressOf(till);
    expect(await unfence(till, 'new')).toMatchObject({ released: 0, givenUp: 0 });
    await carryOut();
    expect(await centre.progressOf(till)).toEqual(before);
    expect(
      await centre.all(
        `SELECT kind, requested_by, why, state FROM payflow_sync.operation WHERE arguments LIKE $1 ORDER BY requested_at`,
        [`%"${till.terminal}"%`],
      ),
    ).toEqual([
      { kind: 'unfence', requested_by: 'ada', why: 'the disk was replaced', state: 'done' },
      { kind: 'unfence', requested_by: 'ada', why: 'the disk was replaced', state: 'done' },
    ]);
  });
});
