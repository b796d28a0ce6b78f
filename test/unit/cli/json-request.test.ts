/** What commands ask of the gateway, whatever comes back. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { requestJson } from '../../../services/cli/json-request.ts';

async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const never = new AbortController().signal;

it('is sent with its body and headers, and answered with status and document', async () => {
  const url = await serving((request, response) => {
    void json(request).then((body) => {
      response.writeHead(422, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ body, method: request.method, token: request.headers.authorization }));
    });
  });
  const headers = { authorization: 'Bearer t', 'content-type': 'application/json' };
  expect(
    await requestJson(`${url}/x`, { method: 'POST', headers, body: '{"a":"ü"}', signal: never }),
  ).toEqual({
    status: 422,
    answer: { body: { a: 'ü' }, method: 'POST', token: 'Bearer t' },
  });
});

it('fails where it is aborted, where nobody answers, and where the answer is no JSON or is cut off', async () => {
  const stop = new AbortController();
  const silent = await serving(() => stop.abort());
  await expect(requestJson(silent, { method: 'GET', headers: {}, signal: stop.signal })).rejects.toThrow(
    'abort',
  );
  const page = await serving((_, response) => response.end('<html>'));
  await expect(requestJson(page, { method: 'GET', headers: {}, signal: never })).rejects.toThrow(SyntaxError);
  const cut = await serving((_, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('{"a":', () => response.destroy());
  });
  await expect(requestJson(cut, { method: 'GET', headers: {}, signal: never })).rejects.toThrow();
  await expect(
    requestJson('http://127.0.0.1:1', { method: 'GET', headers: {}, signal: never }),
  ).rejects.toThrow('ECONNREFUSED');
});
