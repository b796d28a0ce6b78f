/** What an operator and their tools ask the gateway for: health, metrics, documents, commands to tills, limits. */
import { until } from '../../../scripts/support/until.ts';
import { describe, expect, it } from 'vitest';
import { useGateway } from '../../support/gateway-rest.ts';
import { PretendAgent } from '../../support/gateway-site.ts';

interface OpenApi {
  readonly paths: Record<
    string,
    {
      post?: {
        responses: Record<string, { content?: Record<string, { schema?: { properties?: object } }> }>;
      };
    }
  >;
}

const rest = useGateway();

describe('operations', () => {
  it('serves health, metrics, docs and an OpenAPI 3.1 document without a token', async () => {
    expect((await rest.call('GET', '/healthz')).status).toBe(200);
    const metrics = await rest.call('GET', '/metrics');
    expect(metrics.body).toContain('payflow_gateway_agents');
    const document = (await rest.call('GET', '/openapi.json')).body as OpenApi & { openapi: string };
    expect(document.openapi).toMatch(/^3\.1/);
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/api/v1/sync', '/api/v1/sync/{jobId}', '/api/v1/status', '/api/v1/enroll']),
    );
    const { default: problem } = document.paths['/api/v1/sync']?.post?.responses ?? {};
    expect(problem?.content?.['application/problem+json']?.schema?.properties).toHaveProperty('code');
    const docs = await rest.call('GET', '/docs/');
    expect(docs).toMatchObject({ status: 200 });
    expect(docs.headers.get('content-security-policy')).toContain("default-src 'self'");
  });

  it('tells Prometheus of each till, of the centre, of requests and of the process', async () => {
    await rest.till('scraped');
    await rest.call('GET', '/api/v1/status', rest.viewer);
    await rest.call('GET', '/nowhere/at-all');
    let text = '';
    await until(async () => {
      text = String((await rest.call('GET', '/metrics')).body);
      return text.includes('scraped');
    }, 'the till is told of');
    expect(text).toMatch(/^payflow_terminal_online\{terminal="scraped",store="[^"]+"\} 0$/m);
    expect(text).toMatch(/^payflow_terminal_state\{terminal="scraped",store="[^"]+",state="offline"\} 1$/m);
    expect(text).toMatch(/^payflow_dead_letters 0$/m);
    expect(text).toMatch(
      /^payflow_gateway_http_request_duration_seconds_count\{method="GET",route="\/api\/v1\/status",status="200"\} [1-9]/m,
    );
    expect(text).not.toContain('nowhere');
    expect(text).toMatch(/^payflow_build_info\{version="[^"]+",node="[^"]+"\} 1$/m);
    expect(text).toMatch(/^process_cpu_seconds_total [0-9.]+$/m);
  });

  it('is not ready while no capture is connected', async () => {
    expect(await rest.call('GET', '/readyz')).toMatchObject({
      status: 503,
      body: {
        ready: false,
        parts: [
          { name: 'database', ready: true },
          { name: 'capture', ready: false },
          { name: 'tables', ready: true },
          { name: 'topics', ready: true },
        ],
      },
    });
  });

  it('passes bootstrap and replay on to the till, for operators only', async () => {
    const { token } = await rest.till('cmd-1');
    const agent = new PretendAgent();
    await rest.agent(token, agent);
    const path = '/api/v1/terminals/cmd-1';
    expect((await rest.call('POST', `${path}/bootstrap`, rest.viewer, {})).status).toBe(403);
    const linked = await rest.call('POST', `${path}/bootstrap`, rest.operator, { dryRun: true });
    expect(linked).toMatchObject({ status: 200, body: { linked: 1, dryRun: true } });
    // What the centre has comes first, also what is still being seeded.
    agent.calls.length = 0;
    expect((await rest.call('POST', `${path}/bootstrap`, rest.operator, {})).status).toBe(200);
    expect(agent.calls).toEqual(['catchUp', 'bootstrap']);
    const none = await rest.call('POST', `${path}/bootstrap`, rest.operator, { none: true });
    expect(none).toMatchObject({ status: 200, body: { offered: 0, left: 3 } });
    const both = await rest.call('POST', `${path}/bootstrap`, rest.operator, { none: true, dryRun: true });
    expect(both).toMatchObject({ status: 422, body: { code: 'VALIDATION' } });
    const range = { stream: 'payflow.catalog', fromOffset: 0, toOffset: 9 };
    expect((await rest.call('POST', `${path}/replay`, rest.operator, range)).body).toMatchObject({ read: 5 });
    await rest.till('cmd-2');
    const offline = await rest.call('POST', '/api/v1/terminals/cmd-2/bootstrap', rest.operator, {});
    expect(offline).toMatchObject({ status: 503, body: { code: 'TERMINAL_OFFLINE' } });
    expect(offline.headers.get('retry-after')).not.toBeNull();
  });

  it('says 429 with Retry-After when asked too often', async () => {
    const strict = await rest.site.gateway({ limits: { perMinute: 3, enrolmentsPerMinute: 3 } });
    const ask = () =>
      fetch(`${strict.url}/api/v1/status`, { headers: { authorization: `Bearer ${rest.viewer}` } });
    // The first counts with its address: the token is not known yet.
    for (let n = 0; n < 4; n += 1) expect((await ask()).status).toBe(200);
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(await refused.json()).toMatchObject({ code: 'RATE_LIMITED' });
  });
});
