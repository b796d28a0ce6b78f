/**
 * A TCP proxy before PostgreSQL that loses the reply of a commit: when armed, it waits for the server's
 * CommandComplete of a COMMIT, which says that the transaction is durable, and cuts the connection instead
 * of passing it on. Message form: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

const COMMIT_COMPLETE = Buffer.from('C\0\0\0\x0bCOMMIT\0', 'latin1');

export class CommitProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #lost: (() => void) | null = null;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param target where PostgreSQL listens */
  static async start(target: { host: string; port: number }): Promise<CommitProxy> {
    const server = createServer();
    const proxy = new CommitProxy(server);
    server.on('connection', (client) => proxy.#join(client, connect(target)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next commit succeeds and its reply is lost; `onLost` is called at that moment. */
  loseNextCommit(onLost: () => void): void {
    this.#lost = onLost;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, server: Socket): void {
    const cut = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', cut);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        cut();
      });
    }
    client.on('data', (chunk: Buffer) => server.write(chunk));
    server.on('data', (chunk: Buffer) => {
      if (this.#lost !== null && chunk.includes(COMMIT_COMPLETE)) {
        const lost = this.#lost;
        this.#lost = null;
        cut();
        lost();
        return;
      }
      client.write(chunk);
    });
  }
}
