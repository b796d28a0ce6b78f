/**
 * A TCP proxy before a Kafka broker that cuts connections: before a request got through, in the middle of it,
 * or after it got through and before its reply came back. Brokers advertise their own address, so the client
 * is led here by its socket factory, and says in a first line where it wanted to go.
 */
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { ISocketFactory } from 'kafkajs';

export type Fault = 'none' | 'before' | 'middle' | 'after';

export interface KafkaRequest {
  readonly apiKey: number;
  readonly bytes: number;
}

const FRAME_LENGTH_BYTES = 4;

export class FaultProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #choose: (request: KafkaRequest) => Fault;
  strikes = 0;
  bytesToClient = 0;

  private constructor(choose: (request: KafkaRequest) => Fault) {
    this.#choose = choose;
    this.#server = createServer((client) => this.#serve(client));
  }

  /** @param choose decides for every request what happens to it */
  static async start(choose: (request: KafkaRequest) => Fault): Promise<FaultProxy> {
    const proxy = new FaultProxy(choose);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get socketFactory(): ISocketFactory {
    const { port } = this.#server.address() as AddressInfo;
    return ({ host, port: brokerPort, onConnect }) => {
      const socket = createConnection({ host: '127.0.0.1', port }, () => {
        socket.write(`${host}:${brokerPort}\n`);
        onConnect();
      });
      return socket.setNoDelay(true);
    };
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket): void {
    this.#track(client);
    let held = Buffer.alloc(0);
    const awaitTarget = (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      const end = held.indexOf('\n');
      if (end < 0) return;
      client.off('data', awaitTarget);
      const [host = '', port = ''] = held.toString('utf8', 0, end).split(':');
      this.#relay(client, createConnection({ host, port: Number(port) }), held.subarray(end + 1));
    };
    client.on('data', awaitTarget);
  }

  #relay(client: Socket, broker: Socket, early: Buffer): void {
    this.#track(broker);
    const cut = () => {
      client.destroy();
      broker.destroy();
    };
    let replyLost = false;
    broker.on('data', (chunk: Buffer) => {
      if (replyLost) return cut();
      this.bytesToClient += chunk.length;
      if (!client.write(chunk)) broker.pause();
    });
    client.on('drain', () => broker.resume());
    client.on('close', cut);
    broker.on('close', cut);
    const frames = new Frames();
    const forward = (chunk: Buffer) => {
      for (const frame of frames.push(chunk)) {
        const fault = this.#choose({ apiKey: frame.readInt16BE(FRAME_LENGTH_BYTES), bytes: frame.length });
        if (fault !== 'none') this.strikes += 1;
        if (fault === 'before') return cut();
        if (fault === 'middle') {
          broker.end(frame.subarray(0, frame.length / 2), cut);
          return;
        }
        if (fault === 'after') replyLost = true;
        broker.write(frame);
      }
    };
    forward(early);
    client.on('data', forward);
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A cut is what this is for; its error belongs to the client.
    socket.on('error', () => socket.destroy());
  }
}

/** Cuts a byte stream into Kafka's length-prefixed requests. */
class Frames {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    while (this.#rest.length >= FRAME_LENGTH_BYTES) {
      const end = FRAME_LENGTH_BYTES + this.#rest.readInt32BE(0);
      if (this.#rest.length < end) break;
      frames.push(this.#rest.subarray(0, end));
      this.#rest = this.#rest.subarray(end);
    }
    return frames;
  }
}
