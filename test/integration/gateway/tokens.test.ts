/** Who may ask the REST API for what. */
import { describe, expect, it } from 'vitest';
import { useGateway } from '../../support/gateway-rest.ts';

const rest = useGateway();

describe('tokens', () => {
  it('refuses a request without a token, or with a wrong or revoked one', async () => {
    const revoked = await rest.site.token('operator');
    await rest.pool.query(
      "UPDATE payflow_sync.token SET revoked_at = now() WHERE token_hash = encode(sha256($1::bytea), 'hex')",
      [revoked],
    );
    for (const token of [undefined, 'pfu_wrong', revoked]) {
      const answer = await rest.call('GET', '/api/v1/status', token);
      expect(answer.status).toBe(401);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      expect(answer.body).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    }
  });

  it('lets a viewer look but not sync', async () => {
    expect((await rest.call('GET', '/api/v1/status', rest.viewer)).status).toBe(200);
    const refused = await rest.call('POST', '/api/v1/sync', rest.viewer, { all: true, direction: 'pull' });
    expect(refused).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
  });

  it('lets a till ask only for its own sync and status', async () => {
    const { token } = await rest.till('own-1');
    await rest.till('own-2');
    expect((await rest.call('GET', '/api/v1/terminals/own-1', token)).status).toBe(200);
    expect((await rest.call('GET', '/api/v1/terminals/own-2', token)).status).toBe(403);
    expect((await rest.call('GET', '/api/v1/status', token)).status).toBe(403);
    const body = { direction: 'pull' };
    const own = await rest.call('POST', '/api/v1/sync', token, body);
    expect(own.status).toBe(202);
    expect((await rest.call('GET', own.headers.get('location') ?? '', token)).status).toBe(200);
    expect((await rest.call('POST', '/api/v1/sync', token, { ...body, terminalId: 'own-2' })).status).toBe(
      403,
    );
    expect((await rest.call('POST', '/api/v1/sync', token, { ...body, all: true })).status).toBe(403);
    const foreign = await rest.call('POST', '/api/v1/sync', rest.operator, { ...body, terminalId: 'own-2' });
    expect((await rest.call('GET', foreign.headers.get('location') ?? '', token)).status).toBe(403);
  });
});
