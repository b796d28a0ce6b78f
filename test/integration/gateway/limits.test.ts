/** What strangers can do: guess, flood, trickle, send too much. */
import { connect, type Socket as NetSocket } from 'node:net';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { newToken } from '../../../services/shared/tokens.ts';
import {
  eventOf,
  GatewaySite,
  newPublicKey,
  PretendAgent,
  type RunningGateway,
} from '../../support/gateway-site.ts';

let site: GatewaySite;

beforeAll(async () => {
  site = await GatewaySite.start();
});

afterAll(() => site.stop());

function status(
  gateway: RunningGateway,
  token: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${gateway.url}/api/v1/status`, { headers: { authorization: `Bearer ${token}`, ...headers } });
}

function counted(codes: readonly number[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

/** A WebSocket by hand: what a client sends before it follows the protocol. */
async function upgraded(
  gateway: RunningGateway,
  session = '',
): Promise<{ status: number; socket: NetSocket }> {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  const head = [
    `GET /socket.io/?EIO=4&transport=websocket${session} HTTP/1.1`,
    'host: x',
    'connection: upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  const [first] = (await once(socket, 'data')) as [Buffer];
  socket.on('data', () => undefined);
  return { status: Number(first.toString().split(' ')[1]), socket };
}

/** A short text frame, masked with zeros. */
function frame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}

/** However it ends: a reset is an end too. */
function closed(socket: NetSocket): Promise<void> {
  if (socket.closed) return Promise.resolve();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

describe('guesses', () => {
  const limits = { failures: { capacity: 10, perMinute: 0.1 } };

  it('of tokens reach PostgreSQL only a few times from one address, however many come at once', async () => {
    const gateway = await site.gateway({ limits });
    const viewer = await site.token('viewer');
    expect((await status(gateway, viewer)).status).toBe(200);
    const answers = await Promise.all(Array.from({ length: 300 }, () => status(gateway, newToken('user'))));
    const counts = counted(answers.map((answer) => answer.status));
    expect(counts[401]).toBeLessThanOrEqual(14);
    expect((counts[401] ?? 0) + (counts[429] ?? 0)).toBe(300);
    const refused = answers.find((answer) => answer.status === 429);
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused?.json()).toMatchObject({ code: 'RATE_LIMITED' });
    // Who was let in before is not locked out with the guesser behind the same address.
    expect((await status(gateway, viewer)).status).toBe(200);
    await gateway.stop();
  });

  it('of enrolment codes too, whatever the Authorization header says', async () => {
    const gateway = await site.gateway({ limits: { ...limits, enrolmentsPerMinute: 1_000 } });
    const publicKey = newPublicKey();
    const enrol = (n: number) =>
      fetch(`${gateway.url}/api/v1/enroll`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer random-${n}` },
        body: JSON.stringify({ code: `CODE-${n}`, publicKey }),
      });
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => enrol(n)));
    const counts = counted(answers.map((answer) => answer.status));
    expect(counts[403]).toBeLessThanOrEqual(14);
    expect((counts[403] ?? 0) + (counts[429] ?? 0)).toBe(200);
    await gateway.stop();
  });

  it('by socket are counted with those by REST', async () => {
    const gateway = await site.gateway({ limits });
    const codes: unknown[] = [];
    for (let n = 0; n < 20; n += 1) {
      const socket = site.socket(gateway, '/terminals', newToken('till'));
      codes.push(((await eventOf(socket, 'connect_error')) as { data?: { code?: string } }).data?.code);
      socket.disconnect();
    }
    expect(codes.slice(0, 5)).toEqual(Array(5).fill('UNAUTHENTICATED'));
    expect(codes.at(-1)).toBe('RATE_LIMITED');
    expect((await status(gateway, newToken('user'))).status).toBe(429);
    await gateway.stop();
  });

  it('are told in the log with their address, once a minute, without the token', async () => {
    const lines: string[] = [];
    const sink = new Writable({
      write: (chunk: Buffer, _, done) => {
        lines.push(chunk.toString());
        done();
      },
    });
    const gateway = await site.gateway({ limits, log: pino({ level: 'warn' }, sink) });
    const guessed = newToken('user');
    for (let n = 0; n < 8; n += 1) await status(gateway, guessed);
    const told = lines.filter((line) => line.includes('login'));
    expect(told).toHaveLength(1);
    expect(JSON.parse(told[0] ?? '{}')).toMatchObject({
      level: 40,
      address: '127.0.0.1',
      code: 'UNAUTHENTICATED',
    });
    expect(lines.join('')).not.toContain(guessed);
    await gateway.stop();
  });

  it('are counted by the address that a trusted proxy names; from elsewhere the header is ignored', async () => {
    const from = (address: string) => ({ 'x-forwarded-for': address });
    const direct = await site.gateway({ limits });
    for (let n = 0; n < 14; n += 1) await status(direct, newToken('user'), from(`203.0.113.${n}`));
    expect((await status(direct, newToken('user'), from('203.0.113.99'))).status).toBe(429);
    await direct.stop();
    const proxied = await site.gateway({ limits, env: { TRUST_PROXY: '127.0.0.0/8,::1' } });
    for (let n = 0; n < 14; n += 1) await status(proxied, newToken('user'), from('203.0.113.7'));
    expect((await status(proxied, newToken('user'), from('203.0.113.7'))).status).toBe(429);
    expect((await status(proxied, newToken('user'), from('203.0.113.8'))).status).toBe(401);
    // Only the last hop is the proxy's word; what stands before it is the sender's.
    const spoofed = from('203.0.113.8, 203.0.113.7');
    expect((await status(proxied, newToken('user'), spoofed)).status).toBe(429);
    await proxied.stop();
  });
});

describe('a token', () => {
  it('shows its last use', async () => {
    const gateway = await site.gateway();
    const token = await site.token('viewer');
    const lastUse = async () => {
      const { rows } = await site.pool.query<{ used: Date | null }>(
        `SELECT last_used_at AS used FROM payflow_sync.token WHERE token_hash = encode(sha256($1::bytea), 'hex')`,
        [token],
      );
      return rows[0]?.used ?? null;
    };
    expect(await lastUse()).toBeNull();
    await status(gateway, token);
    const first = await lastUse();
    expect(first).not.toBeNull();
    await status(gateway, token);
    expect(await lastUse()).toEqual(first);
    await gateway.stop();
  });
});

describe('connections', () => {
  it('that trickle their head or body are cut off', async () => {
    const gateway = await site.gateway({ limits: { headersTimeoutMs: 300 } });
    const { port } = new URL(gateway.url);
    for (const begin of [
      'GET /healthz HTTP/1.1\r\nhost: x\r\n',
      'POST /api/v1/enroll HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{',
    ]) {
      const socket = connect(Number(port), '127.0.0.1');
      let said = '';
      socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
      socket.on('error', () => undefined);
      socket.write(begin);
      const trickle = setInterval(() => socket.write(begin.startsWith('GET') ? 'x-a: b\r\n' : ' '), 50);
      await once(socket, 'close');
      clearInterval(trickle);
      expect(said).toMatch(/^HTTP\/1.1 408 /);
      expect(said).toContain('application/problem+json');
    }
    await gateway.stop();
  });

  it('of sockets are bounded by address, and strangers before tills', async () => {
    const gateway = await site.gateway({
      limits: { socketsPerAddress: 4, strangersPerAddress: 2, connectTimeoutMs: 60_000 },
    });
    const { token } = await site.till(gateway, 'many-1');
    const tills: Socket[] = [];
    for (const _ of [1, 2]) {
      const till = site.socket(gateway, '/terminals', token);
      await eventOf(till, 'connect');
      tills.push(till);
    }
    const strangers = [await upgraded(gateway), await upgraded(gateway)];
    expect(strangers.map(({ status }) => status)).toEqual([101, 101]);
    expect((await upgraded(gateway)).status).toBeGreaterThanOrEqual(400);
    strangers[0]?.socket.destroy();
    const again = site.socket(gateway, '/terminals', token);
    again.on('connect_error', () => setTimeout(() => again.connect(), 100));
    await until(() => again.connected, 'a place is free again', { everyMs: 100 });
    expect(tills.every(({ connected }) => connected)).toBe(true);
    again.off('connect_error');
    await gateway.stop();
  });

  it('of strangers are closed when they send much, or show no token in time', async () => {
    const slow = await site.gateway({ limits: { connectTimeoutMs: 300 } });
    const idle = await upgraded(slow);
    await closed(idle.socket);
    await slow.stop();
    const gateway = await site.gateway({ limits: { connectTimeoutMs: 60_000 } });
    const { status, socket } = await upgraded(gateway);
    expect(status).toBe(101);
    // One text frame of 3 MB, masked with zeros; the rest of it never has to come.
    const frame = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0x30, 0, 0, 0, 0, 0, 0]);
    socket.write(Buffer.concat([frame, Buffer.alloc(200_000, 'x')]));
    await closed(socket);
    const polling = await fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling`);
    const { sid } = JSON.parse((await polling.text()).slice(1)) as { sid: string };
    const body = `40/terminals,{"token":"${'x'.repeat(300_000)}"}`;
    const post = await fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, {
      method: 'POST',
      body,
    });
    expect(post.status).toBe(413);
    await gateway.stop();
  });

  // Socket.IO itself would wait for half a minute.
  it(
    'whose clients answer no closing frame end with the gateway all the same',
    { timeout: 25_000 },
    async () => {
      const gateway = await site.gateway({ limits: { connectTimeoutMs: 60_000 } });
      const fromTheStart = await upgraded(gateway);
      const polling = await fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling`);
      const { sid } = JSON.parse((await polling.text()).slice(1)) as { sid: string };
      const after = await upgraded(gateway, `&sid=${sid}`);
      after.socket.write(frame('2probe'));
      const [probed] = (await once(after.socket, 'data')) as [Buffer];
      expect(probed.toString()).toContain('3probe');
      after.socket.write(frame('5'));
      await gateway.stop();
      await Promise.all([closed(fromTheStart.socket), closed(after.socket)]);
    },
  );

  it('still take a large catalog from an agent that has shown its token', async () => {
    const gateway = await site.gateway();
    const { token } = await site.till(gateway, 'large-1');
    const agent = new PretendAgent();
    const tables = Array.from({ length: 300 }, (_, n) => ({ name: `t${n}`, sql: 'x'.repeat(1_000) }));
    agent.catalog = () => tables as never;
    await site.agent(gateway, token, agent);
    const answer = await fetch(`${gateway.url}/api/v1/terminals/large-1/catalog`, {
      headers: { authorization: `Bearer ${await site.token('viewer')}` },
    });
    expect(((await answer.json()) as { tables: unknown[] }).tables).toHaveLength(300);
    await gateway.stop();
  });

  it('serve a client that begins with polling', async () => {
    const gateway = await site.gateway();
    const { token } = await site.till(gateway, 'poll-1');
    const socket = io(`${gateway.url}/terminals`, { auth: { token }, forceNew: true, reconnection: false });
    await eventOf(socket, 'connect');
    expect(await socket.emitWithAck('sync:request', { direction: 'pull' })).toMatchObject({ ok: true });
    socket.disconnect();
    await gateway.stop();
  });
});

describe('a till', () => {
  it('that asks again and again is told RATE_LIMITED in the acknowledgement', async () => {
    const gateway = await site.gateway({ limits: { syncRequests: { capacity: 5, perMinute: 1 } } });
    const { token } = await site.till(gateway, 'burst-1');
    const socket = site.socket(gateway, '/terminals', token);
    await eventOf(socket, 'connect');
    const replies = (await Promise.all(
      Array.from({ length: 50 }, () => socket.emitWithAck('sync:request', { direction: 'both' })),
    )) as { ok: boolean; code?: string }[];
    expect(replies.filter(({ ok }) => ok)).toHaveLength(5);
    expect(new Set(replies.filter(({ ok }) => !ok).map(({ code }) => code))).toEqual(
      new Set(['RATE_LIMITED']),
    );
    await gateway.stop();
  });

  it('that reports a status of any size is shown in a sane one', async () => {
    const gateway = await site.gateway();
    const { token } = await site.till(gateway, 'loud-1');
    const agent = new PretendAgent();
    const quiet = agent.status.bind(agent);
    const long = 'y\u001b[2J'.repeat(50_000);
    agent.status = () => ({
      ...quiet(),
      state: long,
      missingTables: Array(20_000).fill(long.slice(0, 50)) as string[],
    });
    await site.agent(gateway, token, agent);
    const headers = { authorization: `Bearer ${await site.token('viewer')}` };
    const shown = async () => {
      const answer = await fetch(`${gateway.url}/api/v1/terminals/loud-1`, { headers });
      return (await answer.json()) as { agent: { state: string; missingTables: string[] } | null };
    };
    await until(async () => (await shown()).agent !== null, 'the status');
    const { agent: status } = await shown();
    expect(status?.state.length).toBeLessThanOrEqual(500);
    expect(status?.state).not.toContain('\u001b');
    expect(status?.missingTables.length).toBeLessThanOrEqual(2_000);
    await gateway.stop();
  });

  it('whose token is replaced by enrolling it anew loses its old connection within five seconds', async () => {
    const gateway = await site.gateway();
    const old = await site.till(gateway, 'anew-1');
    const socket = site.socket(gateway, '/terminals', old.token);
    await eventOf(socket, 'connect');
    await site.till(gateway, 'anew-1');
    await until(() => !socket.connected, 'the old connection is closed', { deadlineMs: 5_000 });
    await gateway.stop();
  });
});
