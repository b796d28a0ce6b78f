/** /healthz, /readyz and /metrics of a service, on METRICS_PORT. Plain node:http: nothing else is served. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PayflowError } from './errors.ts';
import type { HealthBoard } from './health.ts';
import { takePort, type OnPortTaken } from './listening.ts';
import type { Registry } from './metrics.ts';

export interface OperationsServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface OperationsOptions {
  readonly port: number;
  /** METRICS_HOST; a scrape or probe from outside needs another one than loopback. */
  readonly host: string;
  readonly health: HealthBoard;
  readonly registry: Registry;
  /** Another port may stand in for one that is in use. */
  readonly onPortTaken?: OnPortTaken;
}

/** @throws PayflowError CONFIG_INVALID when the port is taken or forbidden */
export async function serveOperations(options: OperationsOptions): Promise<OperationsServer> {
  const { health, registry } = options;
  const server = createServer((request, response) => {
    const path: string = request.url?.split('?')[0] ?? '';
    switch (path) {
      case '/healthz':
        return json(response, 200, { status: 'ok' });
      case '/readyz':
        return json(response, health.ready ? 200 : 503, { ready: health.ready, parts: health.report() });
      case '/metrics':
        return void registry.metrics().then(
          (text) => response.setHeader('content-type', registry.contentType).end(text),
          () => json(response, 500, { code: 'INTERNAL' }),
        );
      default:
        return json(response, 404, { code: 'NOT_FOUND' });
    }
  });
  try {
    await takePort({ ...options, listen: (port) => listen(server, port, options.host) });
  } catch (cause) {
    throw new PayflowError(
      'CONFIG_INVALID',
      `METRICS_PORT ${options.port} on ${options.host} cannot be listened on`,
      {
        cause,
      },
    );
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  await once(server, 'listening');
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
