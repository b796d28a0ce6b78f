/** A real gateway on a real PostgreSQL, with agents that only pretend to move data. */
import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import { io, type Socket } from 'socket.io-client';
import { startPostgres, type RunningPostgres } from '../../scripts/support/postgres.ts';
import { until } from '../../scripts/support/until.ts';
import { createToken, type Role } from '../../services/gateway/http/auth.ts';
import type { GatewayLimits } from '../../services/gateway/context.ts';
import { runGateway } from '../../services/gateway/main.ts';
import { registerTerminal, type Enrolment } from '../../services/gateway/terminals.ts';
import type { AgentStatus, PullResult, PushResult, SyncMode } from '../../services/shared/agent-protocol.ts';
import { loadConfig } from '../../services/shared/config.ts';
import { createLogger } from '../../services/shared/logging.ts';
import { schemaFile } from '../../services/shared/paths.ts';
import { GatewayLink, type LinkedAgent } from '../../services/terminal-agent/gateway-link.ts';

export const log = createLogger({ level: 'silent' });

export interface RunningGateway {
  readonly url: string;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly limits?: Partial<GatewayLimits>;
  /** Instead of none. */
  readonly log?: Logger;
  readonly recheckMs?: number;
}

export class GatewaySite {
  readonly pool: pg.Pool;
  readonly postgres: RunningPostgres;
  readonly #undo: (() => Promise<void> | void)[] = [];

  private constructor(postgres: RunningPostgres) {
    this.postgres = postgres;
    this.pool = new pg.Pool({ connectionString: postgres.url, max: 4 });
    // A connection that is still closing when the server stops is no fault of the test.
    this.pool.on('error', (error) => log.debug({ err: error }, 'a connection broke'));
  }

  static async start(options: { ownPostgres?: boolean } = {}): Promise<GatewaySite> {
    const site = new GatewaySite(await startPostgres({ own: options.ownPostgres ?? false }));
    await site.pool.query(await readFile(schemaFile('postgres', 'payflow_sync.sql'), 'utf8'));
    await site.pool.query("INSERT INTO payflow_sync.meta VALUES ('database_id', 'db-1'), ('epoch', '1')");
    await site.pool.query("INSERT INTO payflow_sync.mapping (version, source) VALUES (3, 'version: 1')");
    return site;
  }

  async gateway(options: GatewayOptions = {}): Promise<RunningGateway> {
    const stop = new AbortController();
    const config = loadConfig({
      DATABASE_URL: this.postgres.url,
      GATEWAY_PORT: '0',
      SYNC_SCHEDULE: '',
      ...options.env,
    });
    let running: Promise<void> = Promise.resolve();
    const url = await new Promise<string>((resolve, reject) => {
      running = runGateway(config, {
        log: options.log ?? log,
        signal: stop.signal,
        onListening: resolve,
        ...(options.limits && { limits: options.limits }),
        ...(options.recheckMs !== undefined && { recheckMs: options.recheckMs }),
      });
      running.catch(reject);
    });
    const gateway = {
      url,
      stop: async () => {
        stop.abort();
        await running;
      },
    };
    this.#undo.push(gateway.stop);
    return gateway;
  }

  async token(role: Role): Promise<string> {
    return (await createToken(this.pool, { name: 'test', role })).token;
  }

  /** Registers and enrols a till. */
  async till(gateway: RunningGateway, terminalId: string, storeId = 's1'): Promise<Enrolment> {
    const { enrolmentCode } = await registerTerminal(this.pool, {
      terminalId,
      storeId,
      upPartitions: 4,
      replace: true,
    });
    const response = await fetch(`${gateway.url}/api/v1/enroll`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code: enrolmentCode, publicKey: newPublicKey() }),
    });
    if (response.status !== 200) throw new Error(await response.text());
    return (await response.json()) as Enrolment;
  }

  /** Connects an agent by the real link and waits until the gateway knows it. */
  async agent(
    gateway: RunningGateway,
    token: string,
    agent: PretendAgent,
    mode: SyncMode = 'stream',
  ): Promise<() => Promise<void>> {
    const stop = new AbortController();
    const link = new GatewayLink({ url: gateway.url, token, mode, agent, log, statusEveryMs: 50 });
    const running = link.run(stop.signal);
    const disconnect = async () => {
      stop.abort();
      await running;
    };
    this.#undo.push(disconnect);
    await until(() => agent.statusReads > 0, 'the agent is connected');
    return disconnect;
  }

  /** A plain socket, as a point-of-sale app or a monitor has it. */
  socket(
    gateway: RunningGateway,
    namespace: '/terminals' | '/monitor' | '/',
    token: string | undefined,
  ): Socket {
    const socket = io(gateway.url + namespace, {
      auth: token === undefined ? {} : { token },
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
    });
    this.#undo.push(() => void socket.disconnect());
    return socket;
  }

  async stop(): Promise<void> {
    for (const undo of this.#undo.reverse()) await undo();
    await this.pool.end();
    await this.postgres.stop();
  }
}

export function newPublicKey(): string {
  return generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

const NOTHING = { published: 0, applied: 0, merged: 0, lost: 0, rejected: 0, held: 0 };

export const PULLED: PullResult = {
  ...NOTHING,
  published: 2,
  applied: 2,
  tables: { orders: { ...NOTHING, published: 2, applied: 2 } },
};
export const PUSHED: PushResult = { applied: 3, position: '1:0/16B3748:1', tables: { products: 3 } };

/** Answers at once, or as the test says. */
export class PretendAgent implements LinkedAgent {
  statusReads = 0;
  readonly calls: string[] = [];
  onFlush: () => Promise<PullResult> = async () => PULLED;
  onCatchUp: (lsn: string) => Promise<PushResult> = async () => PUSHED;
  outboxDepth = 0;

  async flush(): Promise<PullResult> {
    this.calls.push('flush');
    return this.onFlush();
  }

  async catchUp({ lsn }: { lsn: string }): Promise<PushResult> {
    this.calls.push('catchUp');
    return this.onCatchUp(lsn);
  }

  status(): AgentStatus {
    this.statusReads += 1;
    return {
      state: 'in step',
      mode: 'stream',
      incarnation: 'i1',
      version: '0.1.0',
      mappingVersion: 3,
      outbox: { depth: this.outboxDepth, oldestUnsettledMs: null },
      streams: [{ topic: 'payflow.catalog', position: '1:0/0:0', nextOffset: 1, lagMs: 4 }],
      parked: 0,
      missingTables: [],
      checkpoints: [],
    };
  }

  async bootstrap({ dryRun }: { dryRun: boolean }) {
    this.calls.push('bootstrap');
    return {
      offered: 1,
      linked: 1,
      inserted: 0,
      listed: 0,
      refused: 0,
      dryRun,
      tables: {},
      rows: [],
      left: 0,
    };
  }

  async bootstrapNone() {
    this.calls.push('bootstrap none');
    return { ...(await this.bootstrap({ dryRun: false })), offered: 0, linked: 0, left: 3 };
  }

  catalog() {
    return [];
  }

  readonly verify = {
    tables: () => ({ tables: [], skipped: [{ table: 'orders', why: 'the till has no such table' }] }),
    buckets: async () => ({ rows: 0, differing: [], unlinked: [], moreUnlinked: 0 }),
    rows: async () => ({ ids: [] }),
    look: async () => ({ rows: [] }),
    repair: async () => ({}),
  };

  async replay({ dryRun }: { dryRun: boolean }) {
    this.calls.push('replay');
    return { read: 5, applied: 1, skipped: 4, dryRun };
  }
}

/** The first argument of the next such event. */
export async function eventOf(socket: Socket, event: string): Promise<unknown> {
  const seen: unknown[] = [];
  const remember = (payload: unknown) => void seen.push(payload);
  socket.on(event, remember);
  try {
    if (event === 'connect' && socket.connected) return undefined;
    await until(() => seen.length > 0, `the event ${event}`, { deadlineMs: 30_000, everyMs: 5 });
    return seen[0];
  } finally {
    socket.off(event, remember);
  }
}
