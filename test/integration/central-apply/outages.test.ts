/** Nothing is judged while the centre cannot work: no dead letter, no sale lost or doubled, and no process ended. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { PayflowError } from '../../../services/shared/errors.ts';
import type { Health } from '../../../services/shared/lifecycle.ts';
import { EmbeddedLog } from '../../../services/shared/log/embedded-log.ts';
import type { EventLog, StoredRecord } from '../../../services/shared/log/event-log.ts';
import { topicSpecUp, upStream } from '../../../services/shared/log/topics.ts';
import { applierOn, sale } from '../../support/apply-site.ts';
import { silentLog, startCentre, type FakeTill, type TestCentre } from '../../support/centre.ts';
import { limitedRole, type LimitedRole } from '../../support/limited-role.ts';

const PREFIX = 'outages';
let centre: TestCentre;
let role: LimitedRole;
let folder: string;
let eventLog: EmbeddedLog;

beforeAll(async () => {
  centre = await startCentre(undefined, undefined, { own: true });
  role = await limitedRole(centre.pool, centre.postgres.url);
  folder = await mkdtemp(join(tmpdir(), 'outages-'));
  eventLog = new EmbeddedLog({ file: join(folder, 'log.db'), log: silentLog });
  await eventLog.createTopic(topicSpecUp(PREFIX, 8));
});
afterAll(async () => {
  await eventLog.close();
  await role.pool.end();
  await centre.stop();
  await rm(folder, { recursive: true });
});

/** A partition that is read, with what it says of itself. */
async function reading(
  partition: number,
  log: EventLog,
  work: (seen: string[]) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const seen: string[] = [];
  const onHealth = (_partition: number, health: Health) =>
    seen.push(health.state === 'unready' ? health.error.code : health.state);
  const apply = applierOn(role.pool, { eventLog: log, prefix: PREFIX, onHealth });
  const running = apply.readPartition(partition, stop.signal);
  try {
    await work(seen);
  } finally {
    stop.abort();
    await running;
  }
}

const soldBy = async (till: FakeTill) =>
  (
    await centre.all<{ number: string }>(
      `SELECT number FROM orders o WHERE terminal_code = $1
          AND (SELECT count(*) FROM order_items i WHERE i.order_id = o.id) = 2
          AND (SELECT count(*) FROM payments p WHERE p.order_id = o.id) = 1 ORDER BY id`,
      [till.terminal],
    )
  ).map(({ number }) => number);

const endSessions = (how: 'pg_terminate_backend' | 'pg_cancel_backend') =>
  centre.pool.query(`SELECT ${how}(pid) FROM pg_stat_activity WHERE usename = $1`, [role.name]);

test('sessions ended and statements cancelled, a read-only server, no connections left, and a crash', async () => {
  const till = await centre.till('stubborn', { partition: 1 });
  const sold: string[] = [];
  const sell = async (name: string) => {
    const unit = till.unit(...sale(name));
    await eventLog.append(upStream(PREFIX, 1), [till.stored(0, [unit])]);
    sold.push(name);
  };
  const arrives = () =>
    until(
      async () => (await soldBy(till)).length === sold.length,
      async () => `${sold.join()} are there, not only ${(await soldBy(till)).join()}`,
    );
  await reading(1, eventLog, async (seen) => {
    const isUnready = (from: number) =>
      until(
        () => seen.slice(from).some((state) => state.startsWith('DB_')),
        async () =>
          `it says that it cannot work, not ${seen.slice(from).join()}, with ${(await soldBy(till)).join()}`,
        { deadlineMs: 20_000 },
      );
    for (let times = 0; times < 20; times += 1) {
      await sell(`cancelled ${times}`);
      await endSessions(times % 2 === 0 ? 'pg_cancel_backend' : 'pg_terminate_backend');
    }
    await arrives();

    let from = seen.length;
    await centre.pool.query(`ALTER ROLE ${role.name} SET default_transaction_read_only = on`);
    await endSessions('pg_terminate_backend');
    await sell('read only');
    await isUnready(from);
    await centre.pool.query(`ALTER ROLE ${role.name} RESET default_transaction_read_only`);
    await endSessions('pg_terminate_backend');
    await arrives();

    from = seen.length;
    await centre.pool.query(`ALTER ROLE ${role.name} CONNECTION LIMIT 0`);
    // One that was just being made has passed the limit already.
    await until(async () => (await endSessions('pg_terminate_backend')).rowCount === 0, 'no session is left');
    await sell('no connection');
    await isUnready(from);
    await centre.pool.query(`ALTER ROLE ${role.name} CONNECTION LIMIT -1`);
    await arrives();

    from = seen.length;
    await centre.postgres.stopImmediately();
    await sell('crashed');
    await isUnready(from);
    await centre.postgres.restart();
    await arrives();
  });
  expect(await soldBy(till)).toEqual(sold);
  expect(await centre.all('SELECT 1 FROM payflow_sync.dead_letter')).toEqual([]);
  expect(await centre.all('SELECT 1 FROM payflow_sync.hold')).toEqual([]);
});

test('whatever stops a partition ends neither the process nor the others, and it goes on by itself', async () => {
  const till = await centre.till('behind-a-fault', { partition: 2 });
  await eventLog.append(upStream(PREFIX, 2), [till.stored(0, [till.unit(...sale('A'))])]);
  let faults = 3;
  const faulty: EventLog = Object.assign(Object.create(eventLog) as EventLog, {
    read: async function* (...args: Parameters<EventLog['read']>): AsyncGenerator<readonly StoredRecord[]> {
      faults -= 1;
      if (faults >= 0) throw new PayflowError(faults === 0 ? 'LOG_AUTH' : 'INTERNAL', 'a fault');
      yield* eventLog.read(...args);
    },
    offsets: (...args: Parameters<EventLog['offsets']>) => eventLog.offsets(...args),
    streamId: (...args: Parameters<EventLog['streamId']>) => eventLog.streamId(...args),
  });
  await reading(2, faulty, async (seen) => {
    await until(async () => (await soldBy(till)).length === 1, 'the sale is there');
    expect(seen).toEqual(expect.arrayContaining(['INTERNAL', 'LOG_AUTH', 'ready']));
  });
});

test('a defect of our own tables is unready with a code, judges nothing, and ends', async () => {
  const till = await centre.till('own-tables', { partition: 3 });
  await centre.pool.query(
    'ALTER TABLE payflow_sync.consumed ADD CONSTRAINT broken CHECK (partition <> 3) NOT VALID',
  );
  await reading(3, eventLog, async (seen) => {
    await eventLog.append(upStream(PREFIX, 3), [till.stored(0, [till.unit(...sale('A'))])]);
    await until(
      () => seen.includes('DB_REFUSED'),
      () => `it is unready: ${seen.join()}`,
    );
    expect(await soldBy(till)).toEqual([]);
    await centre.pool.query('ALTER TABLE payflow_sync.consumed DROP CONSTRAINT broken');
    await until(async () => (await soldBy(till)).length === 1, 'the sale is there');
  });
  expect(await centre.all('SELECT 1 FROM payflow_sync.dead_letter')).toEqual([]);
});

test('tills that wait are tried by the loop itself', async () => {
  const [first, second] = [
    await centre.till('w1', { partition: 4 }),
    await centre.till('w2', { partition: 4 }),
  ];
  await centre.pool.query(`ALTER TABLE orders ADD COLUMN shelf text NOT NULL DEFAULT 'x'`);
  await centre.pool.query('ALTER TABLE orders ALTER COLUMN shelf DROP DEFAULT');
  await reading(4, eventLog, async () => {
    for (const name of ['A', 'B']) {
      for (const till of [first, second]) {
        await eventLog.append(upStream(PREFIX, 4), [till.stored(0, [till.unit(...sale(name))])]);
      }
    }
    const held = () => centre.all('SELECT 1 FROM payflow_sync.held');
    await until(async () => (await held()).length === 4, 'all of it is held');
    await centre.pool.query('ALTER TABLE orders DROP COLUMN shelf');
    for (const till of [first, second]) {
      await until(async () => (await soldBy(till)).length === 2, `the sales of ${till.terminal} are there`);
      expect(await soldBy(till)).toEqual(['A', 'B']);
    }
  });
  expect(await centre.all('SELECT 1 FROM payflow_sync.dead_letter')).toEqual([]);
});
