/** What cannot be read is refused in one form, with the usual status, and says nothing of what is behind. */
import { connect } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { useGateway } from '../../support/gateway-rest.ts';

const rest = useGateway();

/** As it is, without the tidying of a client. */
async function raw(head: string, body = ''): Promise<{ status: number; text: string }> {
  const { port } = new URL(rest.gateway.url);
  const socket = connect(Number(port), '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.write(
    `${head}\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${rest.operator}\r\n\r\n${body}`,
  );
  await once(socket, 'close');
  return { status: Number(text.split(' ')[1]), text };
}

function problem(text: string): Record<string, unknown> {
  return JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Record<string, unknown>;
}

const STATEMENT = /SELECT|payflow_sync|22021|SQLSTATE|invalid byte|node_modules/;

describe('a request that cannot be read', () => {
  it.each([
    ['NUL in a path', 'GET /api/v1/terminals/%00 HTTP/1.1', 400],
    ['NUL in a query', 'GET /api/v1/dead-letters?cursor=%00 HTTP/1.1', 400],
    ['a percent that is no UTF-8', 'GET /%ff HTTP/1.1', 400],
    ['the same below the API', 'GET /api/v1/terminals/%ff HTTP/1.1', 400],
    ['half a percent', 'GET /api/v1/terminals/%f HTTP/1.1', 400],
    ['a path that is not there', 'GET /nothing HTTP/1.1', 404],
    ['a job that is not there', 'GET /api/v1/sync/nothing HTTP/1.1', 404],
    ['a till that is not there', "GET /api/v1/terminals/a'b HTTP/1.1", 404],
    ['another method', 'DELETE /api/v1/status HTTP/1.1', 405],
    ['another method below', 'PUT /api/v1/terminals/x/bootstrap HTTP/1.1', 405],
    ['a cursor of somebody else', 'GET /api/v1/terminals?cursor=AAAA HTTP/1.1', 422],
    [
      'a cursor that holds a NUL',
      `GET /api/v1/terminals?cursor=${Buffer.from('a\0').toString('base64url')} HTTP/1.1`,
      422,
    ],
    ['a limit that is no number', 'GET /api/v1/terminals?limit=x HTTP/1.1', 422],
    ['an unknown field', 'GET /api/v1/terminals?sort=x HTTP/1.1', 422],
    ['no HTTP at all', 'GET', 400],
  ])('%s', async (_, head, status) => {
    const answer = await raw(head);
    expect(answer.status).toBe(status);
    expect(answer.text.toLowerCase()).toContain('content-type: application/problem+json');
    expect(problem(answer.text)).toMatchObject({ status, code: expect.any(String) as string });
    expect(answer.text).not.toMatch(STATEMENT);
  });

  it.each([
    ['JSON that is none', 'application/json', '{"direction":', 400],
    ['a body of another type', 'text/xml', '<sync/>', 415],
    ['no type at all', 'application/octet-stream', 'x', 415],
    ['a body that is too large', 'application/json', JSON.stringify({ x: 'y'.repeat(1_100_000) }), 413],
    ['a wrong field', 'application/json', '{"direction":"up"}', 422],
    ['NUL in a field', 'application/json', '{"direction":"pull","terminalId":"a\\u0000"}', 422],
    ['a prototype', 'application/json', '{"__proto__":{"x":1},"direction":"pull"}', 400],
  ])('%s', async (_, type, body, status) => {
    const answer = await fetch(`${rest.gateway.url}/api/v1/sync`, {
      method: 'POST',
      headers: { 'content-type': type, authorization: `Bearer ${rest.operator}` },
      body,
    });
    const text = await answer.text();
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(problem(text)).toMatchObject({ status });
    expect(text).not.toMatch(STATEMENT);
  });

  it('names the methods that there are', async () => {
    const answer = await rest.call('POST', '/api/v1/status', rest.operator, {});
    expect(answer).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } });
    expect(answer.headers.get('allow')).toBe('GET');
  });

  it('is refused before its body is read when nobody sends it', async () => {
    const answer = await fetch(`${rest.gateway.url}/api/v1/sync`, {
      method: 'POST',
      body: 'y'.repeat(5_000_000),
    });
    expect(answer.status).toBe(401);
  });

  it('and what PostgreSQL refuses shows nothing of the statement', async () => {
    await rest.pool.query('ALTER TABLE payflow_sync.job RENAME TO job_away');
    const answer = await rest.call('GET', '/api/v1/status', rest.viewer);
    await rest.pool.query('ALTER TABLE payflow_sync.job_away RENAME TO job');
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(JSON.stringify(answer.body)).not.toMatch(/job|relation|SELECT/);
  });
});
