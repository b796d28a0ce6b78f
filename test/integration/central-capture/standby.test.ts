/** A second capture on the same slot: it waits, keeps its hands off the streams, and takes over. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { Capture } from '../../../services/central-capture/capture.ts';
import { asPayflowError, type PayflowError } from '../../../services/shared/errors.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { CaptureSite, type RunningCapture } from '../../support/capture-site.ts';
import { wrappedLog } from '../../support/wrapped-log.ts';

/** Whatever is written to the log, in order. */
function noted(log: EventLog, writes: string[]): EventLog {
  return wrappedLog(log, {
    createTopic: (spec) => {
      writes.push(`create ${spec.topic}`);
      return log.createTopic(spec);
    },
    append: (stream, records, options) => {
      writes.push(`append ${stream.topic}`);
      return log.append(stream, records, options);
    },
  });
}

/** A way to the server on which nobody gets through before it is opened. */
async function gate(url: string) {
  const target = new URL(url);
  const waiting: Socket[] = [];
  const sockets: Socket[] = [];
  let isOpen = false;
  const pass = (client: Socket) => {
    const server = connect({ host: target.hostname, port: Number(target.port) });
    sockets.push(server);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.pipe(to);
      from.on('error', () => to.destroy());
    }
  };
  const listener = createServer((client) => {
    sockets.push(client);
    if (isOpen) pass(client);
    else waiting.push(client);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const through = new URL(url);
  through.host = `127.0.0.1:${(listener.address() as AddressInfo).port}`;
  return {
    url: through.href,
    waiting,
    open: () => {
      isOpen = true;
      for (const client of waiting) pass(client);
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

describe('a second capture', () => {
  let site: CaptureSite;
  let first: RunningCapture;
  let writes: string[];
  let troubles: string[];
  let reads: boolean;
  let stopSecond: () => Promise<PayflowError | undefined>;

  beforeEach(async () => {
    site = await CaptureSite.start();
    await site.setup();
    first = await site.capture();
    await site.seeded();
    [writes, troubles, reads] = [[], [], false];
    stopSecond = () => Promise.resolve(undefined);
  });
  afterEach(async () => {
    await stopSecond();
    await site.stop();
  });

  function startSecond(replicationUrl: string): void {
    const stop = new AbortController();
    const capture = new Capture({
      databaseUrl: site.url,
      replicationUrl,
      eventLog: noted(site.eventLog, writes),
      prefix: site.prefix,
      horizonDays: 14,
      log: site.log,
      onHealth: (health) => {
        if (health.state === 'unready') troubles.push(health.error.code);
      },
      onSession: () => (reads = true),
    });
    const run = capture.run(stop.signal).then(
      () => undefined,
      (error: unknown) => asPayflowError(error),
    );
    stopSecond = () => {
      stop.abort();
      return run;
    };
  }

  it('says SLOT_BUSY once, writes nothing while it waits, and takes over soon after the first is gone', async () => {
    startSecond(site.url);
    await until(() => troubles.length > 0, 'the second says that it waits');
    await site.pool.query(`INSERT INTO orders VALUES (1, 'new-store', 'n')`);
    await site.acknowledged();
    expect({ writes, troubles, reads }).toEqual({ writes: [], troubles: ['SLOT_BUSY'], reads: false });
    await first.stop();
    await until(() => reads, 'the second has taken over', { deadlineMs: 10_000 });
    await site.pool.query(`INSERT INTO orders VALUES (2, 'new-store', 'n')`);
    await site.storeHolds('new-store', 'orders:2');
    const { stored } = await site.store('new-store');
    expect(stored.filter(({ key }) => key?.toString() === 'orders:1')).toHaveLength(1);
  });

  it('is not confused by what the first wrote in its last moments', async () => {
    const way = await gate(site.url);
    startSecond(way.url);
    // It has looked at the centre, and now asks for the slot.
    await until(() => way.waiting.length > 0, 'the second asks for the slot');
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'late')`);
    const arrived = async () => (await site.catalog()).changes.some(({ id }) => id === '1');
    await until(arrived, 'the last row of the first is in its stream');
    await first.stop();
    way.open();
    await until(() => reads || troubles.length > 0, 'the second has the slot');
    expect({ reads, troubles, ended: await stopSecond() }).toEqual({ reads: true, troubles: [] });
    await way.close();
  });
});
