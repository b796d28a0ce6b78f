/**
 * Socket.IO. `/terminals` is for tills: the agent, which answers our requests, and the point-of-sale app, which
 * may ask for a sync; both use the till's token and are in the till's room. `/monitor` is in monitor.ts. Who may
 * connect and send what stands in rights.ts; how many may, and how much before they have shown a token, is in
 * socket-bounds.ts. A wrong token is refused at connect; one revoked later is cut off within `recheckMs`.
 */
import type { Server as HttpServer } from 'node:http';
import { Server, type Namespace, type Socket } from 'socket.io';
import { z } from 'zod';
import {
  AGENT_STATUS_EVENT,
  readStatus,
  socketAuthSchema,
  type AgentRequestName,
} from '../shared/agent-protocol.ts';
import type { ErrorCode } from '../shared/error-codes.ts';
import { PayflowError } from '../shared/errors.ts';
import { rateLimited } from './address-gate.ts';
import type { AgentConnection } from './agents.ts';
import { mayUse, validTokens, type Principal } from './http/auth.ts';
import { shownError } from './http/problem.ts';
import type { GatewayContext } from './context.ts';
import { rows } from './database.ts';
import { DIRECTIONS } from './jobs/job.ts';
import { Monitor } from './monitor.ts';
import { quietly } from './quietly.ts';
import { CLIENT_EVENTS, NAMESPACES, type ClientEvent, type NamespaceName } from './rights.ts';
import { SocketBounds } from './socket-bounds.ts';
import { selectTargets } from './jobs/targets.ts';
import { Buckets } from './token-bucket.ts';

/** A local catalog of hundreds of tables fits. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** An agent reports every two seconds at most. */
const REPORTS = { capacity: 100, perMinute: 600 };

type Authenticated = { principal: Principal; auth: z.output<typeof socketAuthSchema> };
type TillPrincipal = Extract<Principal, { kind: 'terminal' }>;
type Ack = (reply: { ok: true; jobId: string } | { ok: false; code: ErrorCode; message: string }) => void;
type Handlers = Readonly<Record<ClientEvent, (payload: unknown, ack: Ack) => void>>;

const requestSchema = z.strictObject({ direction: z.enum(DIRECTIONS) });

export class Sockets {
  readonly #context: GatewayContext;
  readonly #io: Server;
  readonly #terminals: Namespace;
  readonly #watchers: Namespace;
  readonly #monitor: Monitor;
  readonly #bounds: SocketBounds;
  readonly #requests: Buckets;
  readonly #reports: Buckets;
  readonly #recheck: NodeJS.Timeout;

  constructor(context: GatewayContext, http: HttpServer) {
    this.#context = context;
    const { limits, proxies } = context;
    this.#bounds = new SocketBounds({ limits, proxies });
    this.#requests = new Buckets(limits.syncRequests, () => performance.now());
    this.#reports = new Buckets(REPORTS, () => performance.now());
    this.#io = new Server(http, {
      serveClient: false,
      maxHttpBufferSize: MAX_MESSAGE_BYTES,
      connectTimeout: limits.connectTimeoutMs,
      allowRequest: (request, decide) => this.#bounds.decide(request, decide),
    });
    this.#bounds.watch(http, this.#io.engine);
    // Every connection could join it, and would then be one that has shown no token.
    this.#io.use((_socket, next) =>
      next(refusal(new PayflowError('FORBIDDEN', 'this namespace is for nobody'))),
    );
    this.#terminals = this.#guarded('/terminals');
    this.#watchers = this.#guarded('/monitor');
    this.#monitor = new Monitor(context, this.#watchers);
    this.#terminals.on('connection', (socket) => void this.#terminalConnected(socket));
    context.jobs.onPart((event, jobId, part) => {
      this.#terminals.to(room(part.terminalId)).emit(event, { jobId, ...part });
    });
    this.#recheck = setInterval(() => void this.#dropRevoked(), context.recheckMs);
  }

  async close(): Promise<void> {
    clearInterval(this.#recheck);
    this.#monitor.close();
    this.#io.disconnectSockets(true);
    await this.#io.close();
  }

  #guarded(name: NamespaceName): Namespace {
    const namespace = this.#io.of(name);
    namespace.use((socket, next) => {
      void this.#admit(socket, name).then(next);
    });
    return namespace;
  }

  /** @returns what Socket.IO's `next` takes: nothing, or the error whose `data` the client gets */
  async #admit(socket: Socket, name: NamespaceName): Promise<Error | undefined> {
    try {
      const auth = socketAuthSchema.safeParse(socket.handshake.auth);
      if (!auth.success) throw new PayflowError('UNAUTHENTICATED', 'auth.token is needed');
      const address = this.#bounds.addressOf(socket.request);
      const principal = await this.#context.doorkeeper.authenticate({ address, token: auth.data.token });
      requireNamespace(name, principal);
      socket.data = { principal, auth: auth.data } satisfies Authenticated;
      this.#bounds.admitted(socket.request);
      return undefined;
    } catch (thrown) {
      return refusal(thrown);
    }
  }

  async #terminalConnected(socket: Socket): Promise<void> {
    const { principal, auth } = socket.data as Authenticated;
    if (principal.kind !== 'terminal') return;
    const { terminalId } = principal;
    const handlers: Handlers = {
      'sync:request': (request, ack) => void this.#syncRequested(principal, request, ack),
      [AGENT_STATUS_EVENT]: (report) => this.#reported(terminalId, report),
    };
    for (const event of Object.keys(CLIENT_EVENTS) as ClientEvent[]) {
      if (CLIENT_EVENTS[event].from === 'agent' && auth.role !== 'agent') continue;
      socket.on(event, (payload: unknown, ack: unknown) => {
        handlers[event](payload, typeof ack === 'function' ? (ack as Ack) : () => undefined);
      });
    }
    if (auth.role === 'agent') this.#agentConnected(socket, terminalId, auth.mode);
    socket.on('disconnect', () => void this.#seen(terminalId));
    await socket.join(room(terminalId));
    await this.#seen(terminalId);
  }

  #agentConnected(socket: Socket, terminalId: string, mode: AgentConnection['mode']): void {
    const closed = new AbortController();
    socket.on('disconnect', () => closed.abort());
    this.#context.agents.add({
      terminalId,
      mode,
      closed: closed.signal,
      send: (name, request, timeoutMs) => send({ socket, closed: closed.signal, name, request, timeoutMs }),
      disconnect: () => socket.disconnect(true),
    });
  }

  #reported(terminalId: string, report: unknown): void {
    if (!this.#reports.take(terminalId)) return;
    const status = readStatus(report);
    if (status !== undefined) this.#context.agents.report(terminalId, status);
    else this.#context.log.warn({ terminalId }, 'an agent reported a status of another form');
  }

  async #syncRequested(principal: TillPrincipal, request: unknown, ack: Ack): Promise<void> {
    const { jobs, pool } = this.#context;
    try {
      const { terminalId } = principal;
      if (!this.#requests.take(terminalId)) {
        throw rateLimited('too many sync requests', this.#requests.of(terminalId).waitMs(performance.now()));
      }
      const parsed = requestSchema.safeParse(request);
      if (!parsed.success) {
        throw new PayflowError('VALIDATION', 'direction must be pull, push or both', {
          details: { field: 'direction' },
        });
      }
      const { jobId } = await jobs.create(parsed.data.direction, await selectTargets(pool, principal, {}));
      ack({ ok: true, jobId });
    } catch (thrown) {
      ack({ ok: false, ...shownError(thrown) });
    }
  }

  async #seen(terminalId: string): Promise<void> {
    const sql = 'UPDATE payflow_sync.terminal SET last_seen_at = now() WHERE terminal_id = $1';
    await quietly(this.#context.log, 'last_seen_at could not be stored', () =>
      rows(this.#context.pool, sql, [terminalId]),
    );
  }

  /** A till's token that was replaced or revoked ends its connections too; an outage of PostgreSQL ends none. */
  async #dropRevoked(): Promise<void> {
    const sockets = [this.#terminals, this.#watchers].flatMap(({ sockets }) => [...sockets.values()]);
    if (sockets.length === 0) return;
    const tokenOf = (socket: Socket) => (socket.data as Authenticated).auth.token;
    await quietly(this.#context.log, 'tokens could not be checked again', async () => {
      const valid = await validTokens(this.#context.pool, sockets.map(tokenOf));
      for (const socket of sockets) if (!valid.has(tokenOf(socket))) socket.disconnect(true);
    });
  }
}

function requireNamespace(name: NamespaceName, principal: Principal): void {
  const wanted = NAMESPACES[name];
  if (wanted === 'till' ? principal.kind === 'terminal' : mayUse(wanted, principal)) return;
  const whose = wanted === 'till' ? 'the tokens of tills' : `a token with the role ${wanted}`;
  throw new PayflowError('FORBIDDEN', `this namespace is for ${whose}`);
}

function refusal(thrown: unknown): Error {
  const shown = shownError(thrown);
  return Object.assign(new Error(shown.message), { data: shown });
}

function room(terminalId: string): string {
  return `terminal:${terminalId}`;
}

interface Sending {
  readonly socket: Socket;
  readonly closed: AbortSignal;
  readonly name: AgentRequestName;
  readonly request: unknown;
  readonly timeoutMs: number;
}

/** Socket.IO's own timeout would outlive the connection by a quarter of an hour. */
function send({ socket, closed, name, request, timeoutMs }: Sending): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      clearTimeout(timer);
      closed.removeEventListener('abort', gone);
      settle();
    };
    const gone = () => end(() => reject(new PayflowError('TERMINAL_OFFLINE', 'the connection was closed')));
    const timer = setTimeout(
      () => end(() => reject(new PayflowError('SYNC_TIMEOUT', `no answer within ${timeoutMs} ms`))),
      timeoutMs,
    );
    closed.addEventListener('abort', gone);
    socket.emit(name, request, (reply: unknown) => end(() => resolve(reply)));
  });
}
