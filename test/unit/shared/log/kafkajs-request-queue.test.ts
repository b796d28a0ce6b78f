/** What kafkajs waits for after an answer, as corrected; Node 24 warns of a wait that ends before now. */
import { execFile } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';
import { afterEach, expect, it, vi } from 'vitest';
import '../../../../services/shared/log/kafkajs-request-queue.ts';

const root = new URL('../../../../', import.meta.url).pathname;
const quiet = { debug: () => undefined, warn: () => undefined };

class Queue extends (RequestQueue as unknown as new (options: object) => {
  throttledUntil: number;
  readonly pending: unknown[];
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  push(request: object): void;
  fulfillRequest(answer: object): void;
  destroy(): void;
}) {}

const newQueue = () =>
  new Queue({ maxInFlightRequests: 1, requestTimeout: 1000, clientId: 'c', broker: 'b', logger: quiet });

function request(correlationId: number, sent: number[]) {
  const done = () => undefined;
  const entry = { correlationId, resolve: done, reject: done };
  return { entry, expectResponse: true, sendRequest: () => sent.push(correlationId) };
}

const answer = (correlationId: number) => ({ correlationId, payload: {}, size: 0 });

let server: Server | undefined;
afterEach(() => {
  vi.useRealTimers();
  server?.close();
});

it('an idle connection sets no timer', () => {
  const queue = newQueue();
  queue.push(request(1, []));
  queue.fulfillRequest(answer(1));
  expect(queue.throttleCheckTimeoutId).toBeNull();
});

it('a request that waits for another goes out with its answer', () => {
  const queue = newQueue();
  const sent: number[] = [];
  queue.push(request(1, sent));
  queue.push(request(2, sent));
  expect(sent).toEqual([1]);
  queue.fulfillRequest(answer(1));
  expect(sent).toEqual([1, 2]);
  queue.destroy();
});

it('a request that comes while the broker throttles goes out when that ends', () => {
  vi.useFakeTimers();
  const queue = newQueue();
  const sent: number[] = [];
  queue.throttledUntil = Date.now() + 500;
  queue.push(request(1, sent));
  vi.advanceTimersByTime(499);
  expect(sent).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(sent).toEqual([1]);
  queue.destroy();
});

it('a process that talks to a broker prints no warning of Node', async () => {
  const sockets: Socket[] = [];
  // Answers the first request (ApiVersions) with an error, which is an answer all the same.
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (bytes) => {
      const reply = Buffer.alloc(10);
      reply.writeInt32BE(6, 0);
      bytes.copy(reply, 4, 8, 12);
      reply.writeInt16BE(35, 8);
      socket.write(reply);
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const program = `
    const { KafkaConnection } = await import('./services/shared/log/kafka-connection.ts');
    const { pino } = await import('pino');
    const log = pino({ level: 'silent' });
    const access = { brokers: [], clientId: 'warned', log };
    const connection = new KafkaConnection(access, { host: '127.0.0.1', port: ${port} });
    await connection.open().catch((error) => console.log('answered', error.name));
    connection.close();`;
  const args = ['--input-type=module', '--eval', program];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: root });
  for (const socket of sockets) socket.destroy();
  expect(stdout).toContain('answered');
  expect(stderr).toBe('');
});
