/** The network cable between a till and the gateway: a port that passes everything on, until it is unplugged. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #plugged = true;

  private constructor(target: { host: string; port: number }) {
    this.#server = createServer((till) => {
      this.#keep(till);
      if (!this.#plugged) {
        till.destroy();
        return;
      }
      const gateway = connect(target);
      this.#keep(gateway);
      // Whichever end goes takes the other along.
      till.on('close', () => gateway.destroy());
      gateway.on('close', () => till.destroy());
      till.pipe(gateway).pipe(till);
    });
  }

  static async lay(target: { host: string; port: number }): Promise<Cable> {
    const cable = new Cable(target);
    cable.#server.listen(0, '127.0.0.1');
    await once(cable.#server, 'listening');
    return cable;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  unplug(): void {
    this.#plugged = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  plug(): void {
    this.#plugged = true;
  }

  async remove(): Promise<void> {
    this.unplug();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A reset is one way for a connection to end; `close` follows.
    socket.on('error', () => undefined);
  }
}
