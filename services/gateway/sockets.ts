/**
 * Socket.IO. `/terminals` is for tills: the agent, which answers our requests, and the point-of-sale app, which
 * may ask for a sync; both use the till's token and are in the till's room. `/monitor` is in monitor.ts. A wrong
 * token is refused at connect; one revoked later is cut off within `recheckMs`.
 */
import type { Server as HttpServer } from 'node:http';
import { Server, type Namespace, type Socket } from 'socket.io';
import { z } from 'zod';
import {
  AGENT_STATUS_EVENT,
  agentStatusSchema,
  socketAuthSchema,
  type AgentRequestName,
} from '../shared/agent-protocol.ts';
import type { ErrorCode } from '../shared/error-codes.ts';
import { asPayflowError, PayflowError } from '../shared/errors.ts';
import type { AgentConnection } from './agents.ts';
import { authenticate, requireRole, validTokens, type Principal } from './http/auth.ts';
import type { GatewayContext } from './context.ts';
import { rows } from './database.ts';
import { DIRECTIONS } from './jobs/job.ts';
import { Monitor } from './monitor.ts';
import { quietly } from './quietly.ts';
import { selectTargets } from './jobs/targets.ts';

/** A local catalog of hundreds of tables fits. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

type Authenticated = { principal: Principal; auth: z.output<typeof socketAuthSchema> };
type Ack = (reply: { ok: true; jobId: string } | { ok: false; code: ErrorCode; message: string }) => void;

const requestSchema = z.strictObject({ direction: z.enum(DIRECTIONS) });

export class Sockets {
  readonly #context: GatewayContext;
  readonly #io: Server;
  readonly #terminals: Namespace;
  readonly #watchers: Namespace;
  readonly #monitor: Monitor;
  readonly #recheck: NodeJS.Timeout;

  constructor(context: GatewayContext, http: HttpServer) {
    this.#context = context;
    this.#io = new Server(http, { serveClient: false, maxHttpBufferSize: MAX_MESSAGE_BYTES });
    this.#terminals = this.#io.of('/terminals');
    this.#watchers = this.#io.of('/monitor');
    this.#watchers.use((socket, next) => {
      void this.#admit(socket, (principal) => requireRole(principal, 'viewer')).then(next);
    });
    this.#monitor = new Monitor(context, this.#watchers);
    this.#serveTerminals();
    this.#recheck = setInterval(() => void this.#dropRevoked(), context.recheckMs);
  }

  async close(): Promise<void> {
    clearInterval(this.#recheck);
    this.#monitor.close();
    this.#io.disconnectSockets(true);
    await this.#io.close();
  }

  #serveTerminals(): void {
    const { jobs } = this.#context;
    this.#terminals.use((socket, next) => {
      void this.#admit(socket, (principal) => {
        if (principal.kind === 'terminal') return;
        throw new PayflowError('FORBIDDEN', 'this namespace is for the tokens of tills');
      }).then(next);
    });
    this.#terminals.on('connection', (socket) => void this.#terminalConnected(socket));
    jobs.onPart((event, jobId, part) => {
      this.#terminals.to(room(part.terminalId)).emit(event, { jobId, ...part });
    });
  }

  /** @returns what Socket.IO's `next` takes: nothing, or the error whose `data` the client gets */
  async #admit(socket: Socket, check: (principal: Principal) => void): Promise<Error | undefined> {
    try {
      const auth = socketAuthSchema.safeParse(socket.handshake.auth);
      if (!auth.success) throw new PayflowError('UNAUTHENTICATED', 'auth.token is needed');
      const principal = await authenticate(this.#context.pool, auth.data.token);
      check(principal);
      socket.data = { principal, auth: auth.data } satisfies Authenticated;
      return undefined;
    } catch (thrown) {
      const { code, message } = asPayflowError(thrown);
      return Object.assign(new Error(message), { data: { code, message } });
    }
  }

  async #terminalConnected(socket: Socket): Promise<void> {
    const { principal, auth } = socket.data as Authenticated;
    if (principal.kind !== 'terminal') return;
    const { terminalId } = principal;
    socket.on('sync:request', (request: unknown, ack: unknown) => {
      void this.#syncRequested(
        principal,
        request,
        typeof ack === 'function' ? (ack as Ack) : () => undefined,
      );
    });
    if (auth.role === 'agent') this.#agentConnected(socket, terminalId, auth.mode);
    socket.on('disconnect', () => void this.#seen(terminalId));
    await socket.join(room(terminalId));
    await this.#seen(terminalId);
  }

  #agentConnected(socket: Socket, terminalId: string, mode: AgentConnection['mode']): void {
    const { agents, log } = this.#context;
    const closed = new AbortController();
    socket.on('disconnect', () => closed.abort());
    socket.on(AGENT_STATUS_EVENT, (report: unknown) => {
      const status = agentStatusSchema.safeParse(report);
      if (status.success) agents.report(terminalId, status.data);
      else log.warn({ terminalId, err: status.error }, 'an agent reported a status of another form');
    });
    agents.add({
      terminalId,
      mode,
      closed: closed.signal,
      send: (name, request, timeoutMs) => send({ socket, closed: closed.signal, name, request, timeoutMs }),
      disconnect: () => socket.disconnect(true),
    });
  }

  async #syncRequested(principal: Principal, request: unknown, ack: Ack): Promise<void> {
    const { jobs, pool } = this.#context;
    try {
      const parsed = requestSchema.safeParse(request);
      if (!parsed.success) {
        throw new PayflowError('VALIDATION', 'direction must be pull, push or both', {
          details: { field: 'direction' },
        });
      }
      const { jobId } = await jobs.create(parsed.data.direction, await selectTargets(pool, principal, {}));
      ack({ ok: true, jobId });
    } catch (thrown) {
      const { code, message } = asPayflowError(thrown);
      ack({ ok: false, code, message });
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
