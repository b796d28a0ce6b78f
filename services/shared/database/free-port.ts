import { once } from 'node:events';
import { createServer } from 'node:net';

const FIRST_PORT = 20_000;
const PORTS = 12_000;

/**
 * @returns a TCP port that nobody on loopback listens on at this moment. It lies below the range from which
 * the system takes the ports of outgoing connections, so that none of these sits on it while a server that
 * is to come back there is down.
 */
export async function freePort(random: () => number = Math.random): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(random() * PORTS);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
