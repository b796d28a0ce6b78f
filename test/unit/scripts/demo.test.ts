import { describe, expect, it } from 'vitest';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import type {
  EventLog,
  Looked,
  LookOptions,
  LogRecord,
  ReadOptions,
  StoredRecord,
} from '../../../services/shared/log/event-log.ts';
import type { PayflowError } from '../../../services/shared/errors.ts';
import { until } from '../../../scripts/support/until.ts';
import { Cable } from '../../../scripts/tour/cable.ts';
import { CuttableLog } from '../../../scripts/tour/cuttable-log.ts';
import { parseDemoArgs } from '../../../scripts/tour/options.ts';
import { judgeSales, type SaleRow } from '../../../scripts/tour/sales-ledger.ts';

const STREAM = { topic: 'any', partition: 0 };

/** One stream in memory whose readers wait at its end. */
class MemoryLog implements EventLog {
  readonly kind = 'embedded';
  readonly records: StoredRecord[] = [];

  async createTopic(): Promise<'created'> {
    return 'created';
  }

  async describeTopics(): ReturnType<EventLog['describeTopics']> {
    return new Map();
  }

  async changeTopic(): Promise<void> {}

  async append(_stream: unknown, records: readonly LogRecord[]): Promise<{ baseOffset: number }> {
    const baseOffset = this.records.length;
    for (const record of records) {
      this.records.push({ headers: {}, ...record, offset: this.records.length, timestampMs: 0 });
    }
    return { baseOffset };
  }

  async *read(_stream: unknown, { from, signal }: ReadOptions): AsyncIterable<readonly StoredRecord[]> {
    for (let next = from; !signal.aborted;) {
      const batch = this.records.slice(next);
      next += batch.length;
      if (batch.length > 0) yield batch;
      await until(() => signal.aborted || this.records.length > next, 'more records', { everyMs: 1 });
    }
  }

  async offsets(): Promise<{ first: number; end: number }> {
    return { first: 0, end: this.records.length };
  }

  async recordAt(_stream: unknown, { offset }: LookOptions): Promise<Looked> {
    const record = this.records[offset];
    return record === undefined ? { kind: 'not there' } : { kind: 'there', record };
  }

  async streamId(): Promise<string> {
    return 'id';
  }

  async close(): Promise<void> {}
}

const record = (text: string): LogRecord => ({ key: Buffer.from('k'), value: Buffer.from(text) });

describe('scripts/demo', () => {
  it('takes its flags, starts over with Kafka, and refuses what it does not know', () => {
    expect(parseDemoArgs([])).toEqual({ once: false, fresh: false, kafka: false });
    expect(parseDemoArgs(['--once', '--kafka'])).toEqual({ once: true, fresh: true, kafka: true });
    expect(parseDemoArgs(['--fresh', '--help'])).toBeNull();
    expect(() => parseDemoArgs(['--onec'])).toThrow(/--onec/);
  });
});

describe('the sales of a till, held against head office', () => {
  const sale = (orderNumber: string, cents = 100, more: Partial<SaleRow> = {}): SaleRow => ({
    orderNumber,
    cents,
    lines: 2,
    lineCents: cents,
    paidCents: cents,
    ...more,
  });
  const judge = (local: SaleRow[], central: SaleRow[], told = local) =>
    judgeSales({
      terminalId: 'T1',
      told: told.map(({ orderNumber, cents }) => ({ orderNumber, totalCents: cents })),
      local,
      central,
    });

  it('finds nothing where each is there once, and adds them up', () => {
    const sales = [sale('T1-1'), sale('T1-2', 250)];
    expect(judge(sales, [...sales].reverse())).toEqual({ sales: 2, cents: 350, differences: [] });
  });

  it('finds one that is missing, doubled, short of a cent or a line, invented, or lost from the till itself', () => {
    const one = sale('T1-1');
    const faults = [
      judge([one], []),
      judge([one], [one, one]),
      judge([one], [sale('T1-1', 99)]),
      judge([one], [sale('T1-1', 100, { lines: 1 })]),
      judge([one], [sale('T1-1', 100, { paidCents: 0 })]),
      judge([], [one], []),
      judge([], [], [one]),
    ];
    expect(faults.map(({ differences }) => differences.length)).toEqual([1, 1, 1, 1, 1, 1, 1]);
  });
});

describe('a till that is cut off', () => {
  it('reads nothing while cut off, and every record exactly once after it', async () => {
    const inner = new MemoryLog();
    const log = new CuttableLog(inner);
    const stop = new AbortController();
    const troubles: PayflowError[] = [];
    const seen: string[] = [];
    const reading = (async () => {
      const options = {
        from: 0,
        signal: stop.signal,
        onTrouble: (error: PayflowError) => troubles.push(error),
      };
      for await (const batch of log.read(STREAM, options)) {
        seen.push(...batch.map(({ value }) => value?.toString() ?? ''));
      }
    })();
    await inner.append(STREAM, [record('a'), record('b')]);
    await until(() => seen.length === 2, 'the first two records', { everyMs: 1 });
    log.cut();
    await inner.append(STREAM, [record('c')]);
    await until(() => troubles.length > 0, 'the reader is told', { everyMs: 1 });
    expect({ seen, code: troubles[0]?.code }).toEqual({ seen: ['a', 'b'], code: 'LOG_UNREACHABLE' });
    log.mend();
    await until(() => seen.length === 3, 'the record of the outage', { everyMs: 1 });
    stop.abort();
    await reading;
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  it('keeps its appends until it is connected again, or they are given up', async () => {
    const inner = new MemoryLog();
    const log = new CuttableLog(inner);
    log.cut();
    const giveUp = new AbortController();
    const first = log.append(STREAM, [record('a')]);
    const second = log.append(STREAM, [record('b')], { signal: giveUp.signal });
    giveUp.abort();
    await expect(second).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
    await expect(log.offsets(STREAM)).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
    expect(inner.records).toHaveLength(0);
    log.mend();
    await expect(first).resolves.toEqual({ baseOffset: 0 });
    await expect(log.offsets(STREAM)).resolves.toEqual({ first: 0, end: 1 });
  });

  it('loses its connections when the cable is unplugged, gets none, and gets new ones when it is plugged', async () => {
    const gateway = createServer((socket) => socket.pipe(socket));
    gateway.listen(0, '127.0.0.1');
    await once(gateway, 'listening');
    const cable = await Cable.lay({ host: '127.0.0.1', port: (gateway.address() as AddressInfo).port });
    const call = () => connect({ host: '127.0.0.1', port: Number(new URL(cable.url).port) });
    const echo = async () => {
      const socket = call();
      socket.write('hello');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString()).toBe('hello');
      return socket;
    };
    const socket = await echo();
    const lost = once(socket, 'close');
    cable.unplug();
    await lost;
    await once(call(), 'close');
    cable.plug();
    await echo();
    await cable.remove();
    gateway.close();
  });
});
