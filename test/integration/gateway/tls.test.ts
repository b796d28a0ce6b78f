/** HTTPS and secure sockets, and what a person must mend about the certificate. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../services/shared/paths.ts';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from '../../support/certificate.ts';
import { eventOf, GatewaySite } from '../../support/gateway-site.ts';

let site: GatewaySite;
let folder: string;

beforeAll(async () => {
  site = await GatewaySite.start();
  folder = mkdtempSync(join(tmpdir(), 'payflow-tls-'));
  writeFileSync(join(folder, 'cert.pem'), TEST_CERTIFICATE);
  writeFileSync(join(folder, 'key.pem'), TEST_CERTIFICATE_KEY, { mode: 0o600 });
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await site.stop();
});

const files = () => ({
  GATEWAY_TLS_CERT: join(folder, 'cert.pem'),
  GATEWAY_TLS_KEY_FILE: join(folder, 'key.pem'),
});

describe('a gateway with a certificate', () => {
  it('serves the command line and sockets over TLS, to those who know the authority', async () => {
    const gateway = await site.gateway({ env: files() });
    expect(gateway.url).toMatch(/^https:/);
    const token = await site.token('operator');
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['services/cli/main.ts', 'status', '--json'],
      {
        cwd: packageRoot(),
        env: {
          PATH: process.env['PATH'],
          GATEWAY_URL: gateway.url,
          PAYFLOW_TOKEN: token,
          NODE_EXTRA_CA_CERTS: join(folder, 'cert.pem'),
        },
      },
    );
    expect(JSON.parse(stdout)).toMatchObject({ databaseId: 'db-1' });
    const socket = io(`${gateway.url}/monitor`, {
      auth: { token },
      transports: ['websocket'],
      forceNew: true,
      ca: TEST_CERTIFICATE,
    });
    expect(await eventOf(socket, 'status')).toMatchObject({ databaseId: 'db-1' });
    socket.disconnect();
    await expect(fetch(`${gateway.url}/healthz`)).rejects.toThrow();
    await gateway.stop();
  });

  it.each([
    [
      'no file',
      { GATEWAY_TLS_CERT: '/nowhere/cert.pem', GATEWAY_TLS_KEY: TEST_CERTIFICATE_KEY },
      'GATEWAY_TLS_CERT',
    ],
    ['a certificate alone', { GATEWAY_TLS_CERT: TEST_CERTIFICATE }, 'GATEWAY_TLS_KEY'],
    ['a key alone', { GATEWAY_TLS_KEY: TEST_CERTIFICATE_KEY }, 'GATEWAY_TLS_CERT'],
    [
      'what is no certificate',
      { GATEWAY_TLS_CERT: TEST_CERTIFICATE_KEY, GATEWAY_TLS_KEY: TEST_CERTIFICATE_KEY },
      'GATEWAY_TLS_CERT',
    ],
    [
      'what is no key',
      { GATEWAY_TLS_CERT: TEST_CERTIFICATE, GATEWAY_TLS_KEY: TEST_CERTIFICATE },
      'GATEWAY_TLS_KEY',
    ],
  ])('does not start with %s, and names the variable', async (_, env, variable) => {
    await expect(site.gateway({ env })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      details: { variables: [variable] },
    });
  });
});
