import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { PayflowError } from '../../../services/shared/errors.ts';
import { HealthBoard } from '../../../services/shared/health.ts';
import { counter, createRegistry } from '../../../services/shared/metrics.ts';
import { serveOperations } from '../../../services/shared/service-http.ts';

const unready = { state: 'unready', error: new PayflowError('LOG_UNREACHABLE', 'gone') } as const;

describe('the health board', () => {
  it('is ready only when every part is, and never while it is empty', async () => {
    const board = new HealthBoard();
    expect(board.ready).toBe(false);
    const a = board.part('a');
    const b = board.scope('till').part('b');
    a({ state: 'ready' });
    expect(board.ready).toBe(false);
    const ready = board.whenReady(new AbortController().signal);
    b({ state: 'ready' });
    expect(await ready).toBe(true);
    a(unready);
    expect(board.report()).toEqual([
      { name: 'a', state: 'unready', code: 'LOG_UNREACHABLE', message: 'gone' },
      { name: 'till b', state: 'ready' },
    ]);
  });

  it('counts a service that has not named a part yet as starting, whatever else is ready', () => {
    const board = new HealthBoard();
    const terminal = board.scope('terminal', (part) => part);
    board.part('enrolment')({ state: 'ready' });
    expect(board.ready).toBe(false);
    const file = terminal.part('till file');
    expect(board.report().map(({ name }) => name)).toEqual(['enrolment', 'till file']);
    file({ state: 'ready' });
    expect(board.ready).toBe(true);
  });

  it('stops waiting when it is told to', async () => {
    const stop = new AbortController();
    const ready = new HealthBoard().whenReady(stop.signal);
    stop.abort();
    expect(await ready).toBe(false);
  });
});

describe('the operations port', () => {
  it('tells apart alive, ready and unready, and serves the metrics', async () => {
    const health = new HealthBoard();
    const registry = createRegistry();
    counter(registry, { name: 'payflow_things_total', help: 'things' }).inc();
    counter(registry, { name: 'payflow_things_total', help: 'things' }).inc();
    const server = await serveOperations({ port: 0, host: '127.0.0.1', health, registry });
    try {
      const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);
      const part = health.part('loop');
      expect((await get('/healthz')).status).toBe(200);
      expect((await get('/readyz')).status).toBe(503);
      part({ state: 'ready' });
      expect((await get('/readyz')).status).toBe(200);
      part(unready);
      expect(await (await get('/readyz')).json()).toMatchObject({ parts: [{ code: 'LOG_UNREACHABLE' }] });
      expect(await (await get('/metrics')).text()).toContain('payflow_things_total 2');
      expect((await get('/other')).status).toBe(404);
    } finally {
      await server.close();
    }
  });

  it('names METRICS_PORT when the port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, resolve));
    const { port } = other.address() as AddressInfo;
    const serving = serveOperations({
      port,
      host: '127.0.0.1',
      health: new HealthBoard(),
      registry: createRegistry(),
    });
    await expect(serving).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    other.close();
  });
});
