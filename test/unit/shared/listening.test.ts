import { expect, it } from 'vitest';
import { freePort } from '../../../services/shared/database/free-port.ts';
import { HealthBoard } from '../../../services/shared/health.ts';
import { takePort } from '../../../services/shared/listening.ts';
import { createRegistry } from '../../../services/shared/metrics.ts';
import { serveOperations } from '../../../services/shared/service-http.ts';

it('gives each of several that want the same port at the same moment one of its own', async () => {
  const port = await freePort();
  const moved: number[] = [];
  const servers = await Promise.all(
    [1, 2, 3].map(() =>
      serveOperations({
        port,
        host: '127.0.0.1',
        health: new HealthBoard(),
        registry: createRegistry(),
        onPortTaken: (taken, instead) => {
          expect(taken).toBe(port);
          moved.push(instead);
        },
      }),
    ),
  );
  const ports = servers.map((server) => server.port);
  for (const server of servers) await server.close();
  expect(new Set(ports).size).toBe(3);
  // Who moved first is told first, whoever was asked first.
  expect(ports.filter((each) => each !== port).sort()).toEqual(moved.sort());
});

it('moves on as often as somebody is faster, and only for a port that is in use', async () => {
  const inUse = () => Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
  const tried: number[] = [];
  const told: number[][] = [];
  const listen = async (port: number) => {
    tried.push(port);
    if (tried.length < 4) throw inUse();
  };
  await takePort({ port: 8080, listen, onPortTaken: (...ports) => void told.push(ports) });
  expect(tried).toHaveLength(4);
  expect(told).toEqual([[8080, tried.at(-1)]]);
  const forbidden = () => Promise.reject(Object.assign(new Error('no'), { code: 'EACCES' }));
  await expect(takePort({ port: 80, listen: forbidden, onPortTaken: () => undefined })).rejects.toThrow('no');
  await expect(takePort({ port: 80, listen: () => Promise.reject(inUse()) })).rejects.toThrow('in use');
});
