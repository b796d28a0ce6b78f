/**
 * The agent's line to the gateway. Over it the centre asks for things to be done now (flush, catch up, replay,
 * bootstrap) and is told how the till is doing. Nothing depends on it: without it the till keeps syncing by
 * its mode, and the link comes back by itself.
 */
import { io, type Socket } from 'socket.io-client';
import type { Logger } from 'pino';
import {
  AGENT_REQUESTS,
  AGENT_STATUS_EVENT,
  isErrorCode,
  type AgentAuth,
  type AgentRequest,
  type AgentRequestName,
  type AgentResult,
  type AgentStatus,
  type BootstrapResult,
  type PullResult,
  type PushResult,
  type Reply,
  type ReplayResult,
  type SyncMode,
} from '../shared/agent-protocol.ts';
import { asPayflowError, errorLine, PayflowError } from '../shared/errors.ts';
import { parseLsn } from '../shared/records/position.ts';
import type { ReplayRequest } from './requests.ts';
import type { Service } from '../shared/lifecycle.ts';
import type { LocalTable } from '../shared/catalog/local-catalog.ts';

/** What the link asks of the agent. */
export interface LinkedAgent {
  /** ↑ Publishes what is in the outbox and resolves once every entry up to now is settled or an exception. */
  flush(options: { timeoutMs: number; jobId?: string }): Promise<PullResult>;
  /** ↓ Resolves once both streams are applied up to this LSN; counts from the flush of the same job on. */
  catchUp(options: { lsn: string; timeoutMs: number; jobId?: string }): Promise<PushResult>;
  status(): AgentStatus;
  bootstrap(options: { dryRun: boolean }): Promise<BootstrapResult>;
  bootstrapNone(): Promise<BootstrapResult>;
  catalog(): readonly LocalTable[];
  replay(options: ReplayRequest): Promise<ReplayResult>;
  readonly verify: LinkedVerify;
}

/** The till's side of `verify`. */
export interface LinkedVerify {
  tables(asked: AgentRequest<'verify:tables'>): AgentResult<'verify:tables'>;
  buckets(asked: AgentRequest<'verify:buckets'>): Promise<AgentResult<'verify:buckets'>>;
  rows(asked: AgentRequest<'verify:rows'>): Promise<AgentResult<'verify:rows'>>;
  look(asked: AgentRequest<'verify:look'>): Promise<AgentResult<'verify:look'>>;
  repair(asked: AgentRequest<'verify:repair'>): Promise<AgentResult<'verify:repair'>>;
}

export interface GatewayLinkOptions {
  readonly url: string;
  readonly token: string;
  readonly mode: SyncMode;
  readonly agent: LinkedAgent;
  readonly log: Logger;
  /** How often the status is looked at; it is sent when it changed, and at least every `REPORT_MS`. */
  readonly statusEveryMs?: number;
}

const STATUS_EVERY_MS = 2_000;
/** Lag figures age by themselves, so that a quiet till reports too. */
const REPORT_MS = 30_000;
const FIRST_RECONNECT_MS = 500;
const LAST_RECONNECT_MS = 15_000;

export class GatewayLink implements Service {
  readonly name = 'gateway-link';
  readonly #options: GatewayLinkOptions;

  constructor(options: GatewayLinkOptions) {
    this.#options = options;
  }

  /** Never throws: a till works without its gateway. */
  async run(signal: AbortSignal): Promise<void> {
    const { url, token, mode } = this.#options;
    if (signal.aborted) return;
    const auth: AgentAuth = { token, role: 'agent', mode };
    const socket = io(`${url}/terminals`, {
      auth,
      transports: ['websocket'],
      reconnectionDelay: FIRST_RECONNECT_MS,
      reconnectionDelayMax: LAST_RECONNECT_MS,
      // Tills that lost the same gateway must not come back in step.
      randomizationFactor: 0.5,
      forceNew: true,
      autoConnect: false,
    });
    const stopRefused = this.#reportConnection(socket);
    this.#answerRequests(socket, signal);
    const stopReports = this.#sendStatus(socket);
    socket.connect();
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    stopReports();
    stopRefused();
    socket.disconnect();
  }

  /** socket.io tries again after a broken connection, but not after a refusal or a disconnect by the server. */
  #reportConnection(socket: Socket): () => void {
    const { log, url } = this.#options;
    let told: string | undefined;
    let timer: NodeJS.Timeout | undefined;
    const connectLater = () => {
      clearTimeout(timer);
      // Not in step with all the other tills that were sent away at the same moment.
      timer = setTimeout(() => socket.connect(), LAST_RECONNECT_MS * (0.5 + Math.random() / 2));
    };
    socket.on('connect', () => {
      told = undefined;
      log.info({ url }, 'connected to the gateway');
    });
    socket.on('disconnect', (reason) => {
      // We are leaving.
      if (reason === 'io client disconnect') return;
      log.info({ url, reason }, 'the connection to the gateway is gone; sync goes on');
      if (reason === 'io server disconnect') connectLater();
    });
    socket.on('connect_error', (error) => {
      const refusal = 'data' in error ? (error.data as { code?: unknown } | undefined) : undefined;
      const code =
        typeof refusal?.code === 'string' && isErrorCode(refusal.code) ? refusal.code : 'GATEWAY_UNREACHABLE';
      if (!socket.active) connectLater();
      // Once per outage, not once per attempt.
      if (told === code) return;
      told = code;
      const known = new PayflowError(code, `${url}: ${error.message}`, { cause: error });
      log.warn({ code, url }, `${errorLine(known)} Sync goes on without the gateway.`);
    });
    return () => clearTimeout(timer);
  }

  #answerRequests(socket: Socket, signal: AbortSignal): void {
    const { agent } = this.#options;
    const on = { socket, signal };
    this.#answer(on, 'sync:flush', (request) => agent.flush(request));
    this.#answer(on, 'sync:catch-up', (request) => agent.catchUp(request));
    this.#answer(on, 'agent:status', async () => agent.status());
    this.#answer(on, 'agent:catalog', async () => ({
      tables: agent.catalog().map((table) => ({ ...table })),
    }));
    this.#answer(on, 'agent:bootstrap', ({ dryRun }) => agent.bootstrap({ dryRun }));
    this.#answer(on, 'agent:bootstrap-none', () => agent.bootstrapNone());
    this.#answer(on, 'agent:replay', ({ fromLsn, toLsn, ...range }) =>
      agent.replay({
        ...range,
        fromLsn: fromLsn === undefined ? undefined : parseLsn(fromLsn),
        toLsn: toLsn === undefined ? undefined : parseLsn(toLsn),
      }),
    );
    this.#answer(on, 'verify:tables', async (asked) => agent.verify.tables(asked));
    this.#answer(on, 'verify:buckets', (asked) => agent.verify.buckets(asked));
    this.#answer(on, 'verify:rows', (asked) => agent.verify.rows(asked));
    this.#answer(on, 'verify:look', (asked) => agent.verify.look(asked));
    this.#answer(on, 'verify:repair', (asked) => agent.verify.repair(asked));
  }

  #answer<N extends AgentRequestName>(
    { socket, signal }: { socket: Socket; signal: AbortSignal },
    name: N,
    handle: (request: AgentRequest<N>) => Promise<AgentResult<N>>,
  ): void {
    // A typed map of event names cannot follow a type parameter; what arrives is parsed below.
    const on = socket.on.bind(socket) as (event: string, listener: (...args: unknown[]) => void) => void;
    on(name, (...args: unknown[]) => {
      const [request, acknowledge] = args;
      if (typeof acknowledge !== 'function') return;
      void this.#reply({ name, request, signal }, handle).then((reply) => {
        (acknowledge as (reply: Reply<AgentResult<N>>) => void)(reply);
      });
    });
  }

  async #reply<N extends AgentRequestName>(
    { name, request, signal }: { name: N; request: unknown; signal: AbortSignal },
    handle: (request: AgentRequest<N>) => Promise<AgentResult<N>>,
  ): Promise<Reply<AgentResult<N>>> {
    try {
      const parsed = AGENT_REQUESTS[name].request.safeParse(request);
      if (!parsed.success) throw new PayflowError('VALIDATION', `${name}: ${parsed.error.message}`);
      return { ok: true, result: await handle(parsed.data as AgentRequest<N>) };
    } catch (thrown) {
      const { code, message } = asPayflowError(thrown);
      // While the agent stops, its file is closed under whatever still waits; the gateway repeats it later.
      if (!signal.aborted) {
        this.#options.log.warn({ code, err: thrown, request: name }, `${name} failed: ${message}`);
      }
      return { ok: false, code, message };
    }
  }

  #sendStatus(socket: Socket): () => void {
    let sent = '';
    let sentAtMs = -Infinity;
    const look = (force: boolean) => {
      if (!socket.connected) return;
      try {
        const status = this.#options.agent.status();
        const text = JSON.stringify(status);
        if (!force && text === sent && performance.now() - sentAtMs < REPORT_MS) return;
        socket.emit(AGENT_STATUS_EVENT, status);
        sent = text;
        sentAtMs = performance.now();
      } catch (thrown) {
        const error = asPayflowError(thrown);
        this.#options.log.warn({ code: error.code, err: error }, 'the status could not be read');
      }
    };
    socket.on('connect', () => look(true));
    const timer = setInterval(() => look(false), this.#options.statusEveryMs ?? STATUS_EVERY_MS);
    return () => clearInterval(timer);
  }
}
