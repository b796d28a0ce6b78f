/** The table of rights, walked through completely: every route, namespace and event, as everybody. */
import rateLimit from '@fastify/rate-limit';
import fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { enforceRights, lineOf } from '../../../services/gateway/http/access.ts';
import { DEFAULT_LIMITS, type GatewayContext } from '../../../services/gateway/context.ts';
import {
  CLIENT_EVENTS,
  NAMESPACES,
  ROUTES,
  type NamespaceName,
  type Right,
  type RouteRight,
} from '../../../services/gateway/rights.ts';
import { retireTerminal } from '../../../services/gateway/terminals.ts';
import { revokeToken } from '../../../services/gateway/http/auth.ts';
import { eventOf, GatewaySite, PretendAgent, type RunningGateway } from '../../support/gateway-site.ts';

const NO_LIMIT = { capacity: 1_000_000, perMinute: 1_000_000 };
const WHO = [
  'nobody',
  'wrong',
  'revoked',
  'retired',
  'viewer',
  'operator',
  'own till',
  'another till',
] as const;
type Who = (typeof WHO)[number];

let site: GatewaySite;
let gateway: RunningGateway;
let jobId = '';
const tokens: Record<Who, string | undefined> = {
  nobody: undefined,
  wrong: `pfu_${'x'.repeat(43)}`,
  revoked: '',
  retired: '',
  viewer: '',
  operator: '',
  'own till': '',
  'another till': '',
};

beforeAll(async () => {
  site = await GatewaySite.start();
  gateway = await site.gateway({ limits: { perMinute: 1_000_000, failures: NO_LIMIT } });
  tokens.revoked = await site.token('operator');
  await revokeToken(site.pool, 'test');
  tokens.viewer = await site.token('viewer');
  tokens.operator = await site.token('operator');
  tokens['own till'] = (await site.till(gateway, 'walk-own')).token;
  tokens['another till'] = (await site.till(gateway, 'walk-other')).token;
  tokens.retired = (await site.till(gateway, 'walk-retired')).token;
  await retireTerminal(site.pool, 'walk-retired');
  const body = JSON.stringify({ terminalId: 'walk-own', direction: 'pull' });
  const created = await request('operator', ROUTES.startSync, body);
  jobId = ((await created.json()) as { jobId: string }).jobId;
});

afterAll(() => site.stop());

function request(who: Who, { method, url }: RouteRight, body: string): Promise<Response> {
  const path = url.replace('/*', '/').replace(':jobId', jobId).replace(':id', 'walk-own');
  const token = tokens[who];
  return fetch(gateway.url + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
    },
    ...(method === 'POST' ? { body } : {}),
  });
}

/** Refused for who it is, whatever the handler would have said. */
async function verdict(who: Who, right: RouteRight): Promise<'allowed' | 'unknown' | 'forbidden'> {
  const answer = await request(who, right, JSON.stringify({ terminalId: 'walk-own', direction: 'pull' }));
  const text = await answer.text();
  const code = text.startsWith('{') ? (JSON.parse(text) as { code?: string }).code : undefined;
  if (code === 'UNAUTHENTICATED') return 'unknown';
  return code === 'FORBIDDEN' ? 'forbidden' : 'allowed';
}

function expected(may: Right, who: Who): 'allowed' | 'unknown' | 'forbidden' {
  if (may === 'everyone' || may === 'enrolment code') return 'allowed';
  if (who === 'nobody' || who === 'wrong' || who === 'revoked' || who === 'retired') return 'unknown';
  if (who === 'operator') return 'allowed';
  if (who === 'viewer') return may.startsWith('viewer') ? 'allowed' : 'forbidden';
  return who === 'own till' && may.endsWith('own till') ? 'allowed' : 'forbidden';
}

describe('every route', () => {
  it.each(Object.entries(ROUTES))('%s lets in whom its line names, and nobody else', async (_, right) => {
    const found = await Promise.all(WHO.map(async (who) => [who, await verdict(who, right)] as const));
    expect(Object.fromEntries(found)).toEqual(
      Object.fromEntries(WHO.map((who) => [who, expected(right.may, who)])),
    );
  });

  it('stands in the OpenAPI document under its operationId, open ones without security', async () => {
    const answer = await fetch(`${gateway.url}/openapi.json`);
    const { paths } = (await answer.json()) as {
      paths: Record<string, Record<string, { operationId: string; security?: unknown[] }>>;
    };
    const listed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId, security }]) => {
        const url = path.replace(/\{(\w+)\}/g, ':$1');
        const [name, { may }] = lineOf(method.toUpperCase(), url) ?? ['', { may: 'operator' }];
        const open = may === 'everyone' || may === 'enrolment code';
        expect({ operationId, open: security?.length === 0 }).toEqual({ operationId: name, open });
        return name;
      }),
    );
    const documents = ['getOpenApi', 'showDocs'];
    expect([...listed].sort()).toEqual(
      Object.keys(ROUTES)
        .filter((name) => !documents.includes(name))
        .sort(),
    );
  });
});

describe('the table', () => {
  const guarded = async () => {
    const app = fastify();
    await app.register(rateLimit, { global: false });
    enforceRights(app, { limits: DEFAULT_LIMITS } as GatewayContext);
    return app;
  };

  it('refuses a route that has no line in it', async () => {
    const app = await guarded();
    expect(() => app.get('/api/v1/secrets', () => 'all of them')).toThrow(/no line/);
    expect(() => app.delete('/api/v1/status', () => 'gone')).toThrow(/no line/);
  });

  it('ends the start while a line has no route', async () => {
    const app = await guarded();
    app.get('/healthz', () => 'ok');
    await expect(app.ready()).rejects.toThrow(/no route was made for .*getStatus/);
  });
});

describe('every namespace', () => {
  async function connect(who: Who, namespace: NamespaceName | '/'): Promise<string> {
    const socket = site.socket(gateway, namespace, tokens[who]);
    const connected = eventOf(socket, 'connect').then(() => 'connected');
    const refused = eventOf(socket, 'connect_error').then(
      (error) => (error as { data?: { code?: string } }).data?.code ?? 'no code',
    );
    const outcome = await Promise.race([connected, refused]);
    // Both wait for something that may never come.
    void connected.catch(() => undefined);
    void refused.catch(() => undefined);
    socket.disconnect();
    return outcome;
  }

  function wanted(who: Who, namespace: NamespaceName | '/'): string {
    if (namespace === '/') return 'FORBIDDEN';
    if (who === 'nobody' || who === 'wrong' || who === 'revoked' || who === 'retired')
      return 'UNAUTHENTICATED';
    const isTill = who === 'own till' || who === 'another till';
    return isTill === (NAMESPACES[namespace] === 'till') ? 'connected' : 'FORBIDDEN';
  }

  it.each([...(Object.keys(NAMESPACES) as NamespaceName[]), '/' as const])('%s', async (namespace) => {
    for (const who of WHO)
      expect([who, await connect(who, namespace)]).toEqual([who, wanted(who, namespace)]);
  });
});

describe('every event', () => {
  it('is taken from whom its line names: a status from the agent, not from the app beside it', async () => {
    expect(Object.keys(CLIENT_EVENTS).sort()).toEqual(['agent:report', 'sync:request']);
    const { token } = await site.till(gateway, 'walk-events');
    const agent = new PretendAgent();
    agent.outboxDepth = 3;
    await site.agent(gateway, token, agent);
    const app = site.socket(gateway, '/terminals', token);
    await eventOf(app, 'connect');
    app.emit('agent:report', { ...agent.status(), outbox: { depth: 99, oldestUnsettledMs: null } });
    // The acknowledgement comes after whatever was sent before it.
    expect(await app.emitWithAck('sync:request', { direction: 'pull' })).toMatchObject({ ok: true });
    const depth = async () => {
      const answer = await fetch(`${gateway.url}/api/v1/terminals/walk-events`, {
        headers: { authorization: `Bearer ${tokens.viewer ?? ''}` },
      });
      return ((await answer.json()) as { agent: { outbox: { depth: number } } | null }).agent?.outbox.depth;
    };
    await until(async () => (await depth()) === 3, 'the agent’s own report');
  });
});
