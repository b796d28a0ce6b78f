/** One test for each trap of the replication session that loses data (DESIGN §3.1). */
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../../scripts/support/postgres.ts';
import { until } from '../../../../scripts/support/until.ts';
import {
  PgoutputDecoder,
  type WalMessage,
} from '../../../../services/central-capture/wal/pgoutput-decoder.ts';
import { ReplicationStream } from '../../../../services/central-capture/wal/replication-stream.ts';
import { PayflowError } from '../../../../services/shared/errors.ts';
import { createPool } from '../../../../services/shared/database/postgres.ts';
import { parseLsn, type Lsn } from '../../../../services/shared/records/position.ts';

const log = pino({ level: 'silent' });

describe('a replication session', () => {
  let postgres: RunningPostgres;
  let pool: pg.Pool;
  let slot: string;
  const open: ReplicationStream[] = [];

  beforeAll(async () => {
    postgres = await startPostgres();
    pool = createPool({ connectionString: postgres.url, applicationName: 'test', log });
    await pool.query('CREATE TABLE sales (id bigint PRIMARY KEY, note text)');
    await pool.query('CREATE PUBLICATION traps FOR TABLE sales');
    slot = `traps_${Date.now().toString(36)}`;
  });
  beforeEach(async () => {
    await pool.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
  });
  afterEach(async () => {
    for (const stream of open.splice(0)) await stream.close();
    await until(async () => !(await slotRow()).active, 'the slot is free');
    await pool.query('SELECT pg_drop_replication_slot($1)', [slot]);
    await pool.query('TRUNCATE sales');
  });
  afterAll(async () => {
    await pool.end();
    await postgres.stop();
  });

  async function slotRow(): Promise<{ active: boolean; confirmed: Lsn }> {
    const { rows } = await pool.query<{ active: boolean; confirmed: string }>(
      `SELECT active, confirmed_flush_lsn::text AS confirmed FROM pg_replication_slots WHERE slot_name = $1`,
      [slot],
    );
    return { active: rows[0]?.active ?? false, confirmed: parseLsn(rows[0]?.confirmed ?? '0/0') };
  }

  async function connect(options: { maxBufferedBytes?: number } = {}): Promise<ReplicationStream> {
    await until(async () => !(await slotRow()).active, 'the slot is free');
    const stream = new ReplicationStream({ url: postgres.url, slot, publication: 'traps', log, ...options });
    await stream.open();
    open.push(stream);
    return stream;
  }

  /** Messages until `enough`; ids are read at once because the decoder uses its tuples again. */
  async function read(
    stream: ReplicationStream,
    enough: (ids: number[], message: WalMessage) => boolean,
  ): Promise<{ ids: number[]; messages: WalMessage[] }> {
    const decoder = new PgoutputDecoder();
    const ids: number[] = [];
    const messages: WalMessage[] = [];
    for await (const batch of stream) {
      for (const item of batch) {
        if (!Buffer.isBuffer(item)) continue;
        const message = decoder.decode(item);
        messages.push(message);
        if (message.kind === 'insert') ids.push(Number(message.after.text(0)));
        if (enough(ids, message)) return { ids, messages };
      }
    }
    throw new Error('the stream ended');
  }

  /** PostgreSQL 14 also tells of transactions that changed nothing, an autovacuum's say. */
  const isSale = (ids: readonly number[], message: WalMessage) => message.kind === 'commit' && ids.length > 0;

  it('sends the second of two transactions committed back to back after the first was acknowledged', async () => {
    const [a, b] = [new pg.Client(postgres.url), new pg.Client(postgres.url)];
    await Promise.all([a.connect(), b.connect()]);
    let adjacent = 0;
    // Only an adjacent commit record can be skipped: until there was one, the rounds prove nothing.
    for (let round = 0; round < 50 || adjacent === 0; round += 1) {
      const stream = await connect();
      for (const [client, id] of [
        [a, round * 2],
        [b, round * 2 + 1],
      ] as const) {
        await client.query('BEGIN; SET LOCAL synchronous_commit = off');
        await client.query('INSERT INTO sales VALUES ($1)', [id]);
      }
      await Promise.all([a.query('COMMIT'), b.query('COMMIT')]);
      const first = await read(stream, isSale);
      const commit = first.messages.at(-1);
      if (commit?.kind !== 'commit') throw new Error('no commit');
      stream.acknowledge(commit.endLsn);
      await until(async () => (await slotRow()).confirmed >= commit.endLsn, 'the first is acknowledged');
      await stream.close();
      const again = await connect();
      const second = await read(again, isSale);
      const begin = second.messages.findLast((message) => message.kind === 'begin');
      if (begin?.kind === 'begin' && begin.commitLsn === commit.endLsn) adjacent += 1;
      expect([...first.ids, ...second.ids].sort((x, y) => x - y)).toEqual([round * 2, round * 2 + 1]);
      const last = second.messages.at(-1);
      if (last?.kind === 'commit') again.acknowledge(last.endLsn);
      await until(async () => (await slotRow()).confirmed >= begin!.commitLsn, 'the second is acknowledged');
      await again.close();
    }
    await Promise.all([a.end(), b.end()]);
  });

  it('does not send again a transaction acknowledged at the end of its commit record', async () => {
    const stream = await connect();
    await pool.query('INSERT INTO sales VALUES (1)');
    const { messages } = await read(stream, (_, message) => message.kind === 'commit');
    const commit = messages.at(-1);
    if (commit?.kind !== 'commit') throw new Error('no commit');
    stream.acknowledge(commit.endLsn);
    await until(async () => (await slotRow()).confirmed >= commit.endLsn, 'it is acknowledged');
    await stream.close();
    await pool.query('INSERT INTO sales VALUES (2)');
    expect((await read(await connect(), (ids) => ids.length > 0)).ids).toEqual([2]);
  });

  it('acknowledges nothing by itself, however much was received', async () => {
    const before = (await slotRow()).confirmed;
    const stream = await connect();
    await pool.query('INSERT INTO sales VALUES (1)');
    await read(stream, (_, message) => message.kind === 'commit');
    await stream.close();
    expect((await slotRow()).confirmed).toBe(before);
    expect((await read(await connect(), (ids) => ids.length > 0)).ids).toEqual([1]);
  });

  it('answers keepalives while reading is paused, and pauses instead of filling memory', async () => {
    // Longer than a loaded machine may keep us from answering.
    const timeoutMs = 3_000;
    await pool.query(`DO $$ BEGIN EXECUTE format(
      'ALTER DATABASE %I SET wal_sender_timeout = ${timeoutMs}', current_database()); END $$`);
    const stream = await connect({ maxBufferedBytes: 64 * 1024 });
    await pool.query(`INSERT INTO sales SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) AS i`);
    const since = Date.now();
    await until(() => Date.now() - since > 2 * timeoutMs, 'the server had time to hang up');
    expect((await slotRow()).active).toBe(true);
    expect(stream.bufferedBytes).toBeLessThan(1024 * 1024);
    // PostgreSQL 14 also sends transactions of which nothing is published.
    const { ids } = await read(stream, (found, message) => message.kind === 'commit' && found.length > 0);
    expect(ids).toEqual(Array.from({ length: 20_000 }, (_, index) => index + 1));
    await pool.query(`DO $$ BEGIN EXECUTE format(
      'ALTER DATABASE %I RESET wal_sender_timeout', current_database()); END $$`);
  });

  it('keeps the bytes of a message while later ones arrive', async () => {
    const stream = await connect();
    await pool.query(
      `INSERT INTO sales SELECT i, repeat(i::text, 20 + i % 300) FROM generate_series(1, 5000) AS i`,
    );
    const items: Buffer[] = [];
    const decoder = new PgoutputDecoder();
    for await (const batch of stream) {
      items.push(...batch.filter((item) => Buffer.isBuffer(item)));
      if (items.at(-1)?.[0] === 'C'.charCodeAt(0)) break;
    }
    const wrong = items.filter((item) => {
      const message = decoder.decode(item);
      if (message.kind !== 'insert') return false;
      const id = Number(message.after.text(0));
      return message.after.text(1) !== String(id).repeat(20 + (id % 300));
    });
    expect(wrong).toEqual([]);
  });

  it('says that the slot is in use, or lost, by code', async () => {
    await connect();
    const second = new ReplicationStream({ url: postgres.url, slot, publication: 'traps', log });
    await expect(second.open()).rejects.toMatchObject({ code: 'SLOT_BUSY' });
    const lost = new ReplicationStream({
      url: postgres.url,
      slot: `${slot}_gone`,
      publication: 'traps',
      log,
    });
    await expect(lost.open()).rejects.toMatchObject({ code: 'SLOT_LOST' });
    const nowhere = new ReplicationStream({
      url: 'postgres://nobody@127.0.0.1:1/none',
      slot,
      publication: 'traps',
      log,
    });
    await expect(nowhere.open()).rejects.toSatisfy(
      (error) => error instanceof PayflowError && error.code === 'DB_UNREACHABLE',
    );
  });

  it('ends the iteration with an error when the server ends the session', async () => {
    const stream = await connect();
    await pool.query(
      `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1`,
      [slot],
    );
    await expect(read(stream, () => false)).rejects.toBeInstanceOf(PayflowError);
  });
});
