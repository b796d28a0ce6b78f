/** `sslmode=prefer`: asks the server whether it has TLS before the driver, which can't go on without it, connects. */
import { connect as connectSocket } from 'node:net';
import pg from 'pg';
import type { UrlConnection } from './connection-url.ts';

/** Length 8, then the number that stands for a wish for TLS in PostgreSQL's protocol. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const YES = 'S'.charCodeAt(0);
const ASK_MS = 10_000;

/** What the driver needs of a client whose TLS is not decided yet. */
interface Undecided {
  ssl: unknown;
  connection: { ssl: unknown };
}

/** The configuration as the driver takes it, TLS decided. */
export async function decideTls({ prefersTls, ...config }: UrlConnection): Promise<pg.ClientConfig> {
  if (!prefersTls) return config;
  // Of what the URL leaves out the driver asks the environment.
  const { host, port } = new pg.Client(config);
  return (await hasTls(host, port)) ? config : { ...config, ssl: false };
}

/** For a pool: each connection is decided for itself, since a server may be restarted otherwise. */
export class PreferringClient extends pg.Client {
  override connect(): Promise<pg.Client>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<pg.Client> | void {
    const connected = this.#decide().then(() => super.connect());
    if (callback === undefined) return connected;
    connected.then(() => callback(undefined as unknown as Error), callback);
  }

  async #decide(): Promise<void> {
    if (await hasTls(this.host, this.port)) return;
    const undecided = this as unknown as Undecided;
    undecided.ssl = false;
    undecided.connection.ssl = false;
  }
}

async function hasTls(host: string, port: number): Promise<boolean> {
  if (host.startsWith('/')) return false;
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port, timeout: ASK_MS });
    const end = (settle: () => void) => {
      socket.destroy();
      settle();
    };
    socket.once('connect', () => socket.write(SSL_REQUEST));
    socket.once('data', (answer) => end(() => resolve(answer[0] === YES)));
    socket.once('error', (error) => end(() => reject(error)));
    socket.once('timeout', () => end(() => reject(new Error('the server does not answer'))));
    socket.once('close', () => end(() => reject(new Error('the server closed the connection'))));
  });
}
