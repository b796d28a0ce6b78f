/**
 * How many connections the gateway keeps, and how much one may send before it has shown a token. Counted by the
 * address of the client (client-address.ts), and for bare TCP by the address at the other end of the wire.
 *
 *   a new …          | is refused when
 *   -----------------+--------------------------------------------------------------------------------------
 *   TCP connection   | there are `connections`, or its address has `connectionsPerAddress` (a trusted proxy's
 *                    | are not counted)
 *   Socket.IO session| there are `sockets`, its address has `socketsPerAddress`, or `strangersPerAddress` of it
 *                    | have not shown a token yet
 *
 * A session that has shown no token within `connectTimeoutMs` is closed by Socket.IO itself; one that sends more
 * than STRANGER_BYTES before, at once. With a session its connection ends: a peer that does not answer the closing
 * frame would keep its place, and hold the stop of the gateway, for half a minute.
 */
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Socket as TcpSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Server } from 'socket.io';
import { networkOf, type TrustedProxies } from './client-address.ts';
import type { GatewayLimits } from './context.ts';

/** A handshake with a token is a few hundred bytes. */
const STRANGER_BYTES = 64 * 1024;

type Engine = Server['engine'];
/** Engine.IO's own socket: `socket.conn` of a Socket.IO socket. */
interface Session {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly transport: { readonly name: string };
  once(event: 'close', listener: () => void): unknown;
}

interface Counts {
  sessions: number;
  strangers: number;
}

interface Known {
  /** As it was when the session began: its first connection may be gone by now. */
  readonly address: string;
  readonly counts: Counts;
  /** Has shown no token yet. */
  stranger: boolean;
  /** The WebSocket's; none while it polls. */
  connection: Duplex | undefined;
}

export class SocketBounds {
  readonly #limits: GatewayLimits;
  readonly #proxies: TrustedProxies;
  readonly #byNetwork = new Map<string, Counts>();
  readonly #connections = new Map<string, number>();
  readonly #sessions = new Map<string, Known>();
  /** Of the session that the request began. */
  readonly #idOf = new WeakMap<IncomingMessage, string>();

  constructor({ limits, proxies }: { limits: GatewayLimits; proxies: TrustedProxies }) {
    this.#limits = limits;
    this.#proxies = proxies;
  }

  watch(http: HttpServer, engine: Engine): void {
    http.maxConnections = this.#limits.connections;
    http.on('connection', (socket: TcpSocket) => this.#connected(socket));
    http.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
      this.#countBytes(request, socket);
      const polling = this.#sessions.get(sessionIdOf(request) ?? '');
      if (polling !== undefined) polling.connection = socket;
    });
    engine.on('connection', (session: Session) => this.#opened(session));
    engine.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      if (this.#isTooMuch(request)) response.writeHead(413, { connection: 'close' }).end();
      else next();
    });
  }

  /** Of a request to Socket.IO; only one that begins a session is counted. */
  decide(request: IncomingMessage, answer: (error: string | null, allowed: boolean) => void): void {
    if (sessionIdOf(request) !== null) return answer(null, true);
    const network = networkOf(this.#proxies.clientOf(request));
    const { sessions, strangers } = this.#byNetwork.get(network) ?? { sessions: 0, strangers: 0 };
    const { sockets, socketsPerAddress, strangersPerAddress } = this.#limits;
    const isFull =
      this.#sessions.size >= sockets || sessions >= socketsPerAddress || strangers >= strangersPerAddress;
    answer(isFull ? 'too many connections' : null, !isFull);
  }

  /** @param begun the request that began a session */
  addressOf(begun: IncomingMessage): string {
    return this.#begunBy(begun)?.address ?? this.#proxies.clientOf(begun);
  }

  /** The session has shown a good token. */
  admitted(begun: IncomingMessage): void {
    const known = this.#begunBy(begun);
    if (known === undefined || !known.stranger) return;
    known.stranger = false;
    known.counts.strangers -= 1;
  }

  #begunBy(request: IncomingMessage): Known | undefined {
    return this.#sessions.get(this.#idOf.get(request) ?? '');
  }

  #connected(socket: TcpSocket): void {
    const address = socket.remoteAddress ?? '';
    if (this.#proxies.has(address)) return;
    const network = networkOf(address);
    const count = (this.#connections.get(network) ?? 0) + 1;
    if (count > this.#limits.connectionsPerAddress) {
      socket.destroy();
      return;
    }
    this.#connections.set(network, count);
    socket.once('close', () => {
      const left = (this.#connections.get(network) ?? 1) - 1;
      if (left === 0) this.#connections.delete(network);
      else this.#connections.set(network, left);
    });
  }

  #opened(session: Session): void {
    const { id, request, transport } = session;
    const address = this.#proxies.clientOf(request);
    const network = networkOf(address);
    const counts = this.#byNetwork.get(network) ?? { sessions: 0, strangers: 0 };
    this.#byNetwork.set(network, counts);
    counts.sessions += 1;
    counts.strangers += 1;
    const connection = transport.name === 'websocket' ? request.socket : undefined;
    const known: Known = { address, counts, stranger: true, connection };
    this.#sessions.set(id, known);
    this.#idOf.set(request, id);
    session.once('close', () => {
      this.#sessions.delete(id);
      counts.sessions -= 1;
      if (known.stranger) counts.strangers -= 1;
      if (counts.sessions === 0) this.#byNetwork.delete(network);
      // Only once what was written is sent: the closing frame, and before it what the client is told.
      known.connection?.end(() => known.connection?.destroy());
    });
  }

  /** A message is kept in memory until it is whole, so a stranger's large one is cut off while it comes. */
  #countBytes(request: IncomingMessage, socket: Duplex): void {
    let bytes = 0;
    const count = (chunk: Buffer): void => {
      const id = sessionIdOf(request) ?? this.#idOf.get(request);
      if (id !== undefined && this.#sessions.get(id)?.stranger !== true) {
        socket.off('data', count);
        return;
      }
      bytes += chunk.length;
      if (bytes > STRANGER_BYTES) socket.destroy();
    };
    socket.on('data', count);
  }

  /** By polling a message is the body of a request. */
  #isTooMuch(request: IncomingMessage): boolean {
    const id = sessionIdOf(request);
    if (request.method !== 'POST' || id === null || this.#sessions.get(id)?.stranger !== true) return false;
    const length = Number(request.headers['content-length'] ?? Number.NaN);
    return !(length <= STRANGER_BYTES);
  }
}

function sessionIdOf(request: IncomingMessage): string | null {
  return new URLSearchParams(request.url?.split('?')[1] ?? '').get('sid');
}
