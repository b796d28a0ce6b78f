import Database from 'better-sqlite3';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EmbeddedLog } from '../../../../services/shared/log/embedded-log.ts';
import { decodeHeaders, encodeHeaders } from '../../../../services/shared/log/embedded-store.ts';

const HOUR_MS = 3_600_000;
const logger = pino({ level: 'silent' });
const stream = { topic: 'down', partition: 0 };
const bytes = (value: string) => Buffer.from(value);

let folder: string;
let now: number;
let log: EmbeddedLog;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-log-'));
  now = 1_000 * HOUR_MS;
  log = new EmbeddedLog({ file: join(folder, 'log.db'), log: logger, maintenanceMs: 0, now: () => now });
});
afterEach(async () => {
  await log.close();
  rmSync(folder, { recursive: true });
});

async function contents(): Promise<[number, string | undefined, string | null][]> {
  const { baseOffset } = await log.append(stream, [{ key: bytes('~end'), value: null }]);
  const { signal } = new AbortController();
  const found: [number, string | undefined, string | null][] = [];
  for await (const batch of log.read(stream, { from: 0, signal })) {
    for (const { offset, key, value } of batch) {
      if (offset === baseOffset) return found;
      if (key?.at(0) !== '~'.charCodeAt(0)) found.push([offset, key?.toString(), value?.toString() ?? null]);
    }
  }
  return found;
}

const put = (key: string, value: string | null) =>
  log.append(stream, [{ key: bytes(key), value: value === null ? null : bytes(value) }]);

describe('the embedded log', () => {
  test('records younger than the lag are neither removed nor displace older ones', async () => {
    await log.createTopic({
      ...stream,
      partitions: 1,
      cleanup: 'compact',
      minCompactionLagMs: HOUR_MS,
      deleteRetentionMs: 10 * HOUR_MS,
    });
    await put('a', 'old');
    await put('a', 'newer');
    now += 2 * HOUR_MS;
    await put('a', 'young');
    await put('a', 'youngest');
    await log.compact('down');
    expect(await contents()).toEqual([
      [2, 'a', 'newer'],
      [3, 'a', 'young'],
      [4, 'a', 'youngest'],
    ]);
    await log.compact('down', { ignoreLag: true });
    expect(await contents()).toEqual([[4, 'a', 'youngest']]);
  });

  test('a tombstone goes after its time and never before what it deletes', async () => {
    await log.createTopic({ ...stream, partitions: 1, cleanup: 'compact', deleteRetentionMs: 10 * HOUR_MS });
    await put('a', 'value');
    await put('a', null);
    now += 9 * HOUR_MS;
    await log.compact('down');
    expect(await contents()).toEqual([[2, 'a', null]]);
    now += 2 * HOUR_MS;
    await log.compact('down');
    expect(await contents()).toEqual([]);
    const { baseOffset } = await put('b', 'next');
    expect(baseOffset).toBe((await log.offsets(stream)).end - 1);
  });

  test('a queue loses what is older than it keeps, and says where it begins', async () => {
    await log.createTopic({ ...stream, partitions: 1, cleanup: 'delete', retentionMs: 5 * HOUR_MS });
    await put('a', '1');
    now += 3 * HOUR_MS;
    await put('a', '2');
    now += 3 * HOUR_MS;
    expect(await log.compact('down')).toBe(2);
    expect(await log.offsets(stream)).toEqual({ first: 2, end: 3 });
    expect(await log.streamId(stream)).toBeUndefined();
  });

  test('a write that SQLite reports as failed although it was kept is not repeated', async () => {
    let failures = 0;
    const faults = {
      afterCommit: () => {
        failures += 1;
        if (failures <= 3) throw new Database.SqliteError('injected', 'SQLITE_IOERR');
      },
    };
    const faulty = new EmbeddedLog({ file: join(folder, 'log.db'), log: logger, maintenanceMs: 0, faults });
    await faulty.createTopic({ ...stream, partitions: 1, cleanup: 'compact' });
    for (const key of ['a', 'b', 'c', 'd']) await faulty.append(stream, [{ key: bytes(key), value: null }]);
    expect((await faulty.offsets(stream)).end).toBe(5);
    await faulty.close();
  });

  test('a file that is not a log is refused', () => {
    const file = join(folder, 'other.db');
    writeFileSync(file, 'this is not a database, only text that is long enough to be looked at');
    expect(() => new EmbeddedLog({ file, log: logger })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
    const foreign = new Database(join(folder, 'foreign.db'));
    foreign.pragma('application_id = 42');
    foreign.exec('CREATE TABLE t (x)');
    foreign.close();
    expect(() => new EmbeddedLog({ file: join(folder, 'foreign.db'), log: logger })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });

  test('headers are kept as they are', () => {
    const headers = { p: Buffer.from([0, 255]), ünïcode: Buffer.alloc(0) };
    expect(decodeHeaders(encodeHeaders(headers) ?? Buffer.alloc(0))).toEqual(headers);
    expect(encodeHeaders({})).toBeNull();
    expect(encodeHeaders(undefined)).toBeNull();
  });
});
