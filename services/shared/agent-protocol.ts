/**
 * What the gateway and a till's agent say to each other over Socket.IO, and what REST and the CLI show of it.
 * The agent connects to the namespace `/terminals` with `AgentAuth`; requests go from the gateway to the agent
 * and are answered in the acknowledgement by a `Reply`. Sync itself never depends on this link.
 */
import { z } from 'zod';
import { bounded, CATALOG_BOUNDS, STATUS_BOUNDS, type Bounds } from './bounded.ts';
import { ERROR_CODES, type ErrorCode } from './error-codes.ts';
import { PayflowError } from './errors.ts';
import { VERIFY_BOUNDS, VERIFY_REQUESTS } from './verify/questions.ts';

export const SYNC_MODES = ['stream', 'scheduled', 'manual'] as const;
export type SyncMode = (typeof SYNC_MODES)[number];

/** `auth` of the handshake. A point-of-sale app sends the token only. */
export const socketAuthSchema = z.object({
  token: z.string().min(1).max(200),
  role: z.enum(['agent', 'app']).default('app'),
  mode: z.enum(SYNC_MODES).default('stream'),
});
export type AgentAuth = z.input<typeof socketAuthSchema>;

const count = z.number().int().min(0);

/** Counts are changes: a row changed twice counts two. */
export const pullCountsSchema = z.object({
  published: count,
  applied: count,
  merged: count,
  lost: count,
  rejected: count,
  held: count,
});
export type PullCounts = z.output<typeof pullCountsSchema>;

/** ↑ What a flush moved: in all, and by local table. */
export const pullResultSchema = pullCountsSchema.extend({ tables: z.record(z.string(), pullCountsSchema) });
export type PullResult = z.output<typeof pullResultSchema>;

/** ↓ What a catch-up applied; `position` is where the till stands, as `formatPosition` prints it. */
export const pushResultSchema = z.object({
  applied: count,
  position: z.string(),
  tables: z.record(z.string(), count),
});
export type PushResult = z.output<typeof pushResultSchema>;

/** How a till is doing. Reported by the agent when it connects and whenever it changes. */
export const agentStatusSchema = z.object({
  state: z.string(),
  /** Why it is fenced or retired. Not reported by agents of the version before. */
  why: z.string().nullish(),
  mode: z.enum(SYNC_MODES),
  incarnation: z.string(),
  version: z.string(),
  mappingVersion: z.number(),
  /** A newer mapping of the centre that this till can't read, and why; not reported by agents of the version before. */
  unreadMapping: z.object({ version: z.number(), why: z.string() }).nullish(),
  /** Unsettled changes, and when the oldest of them was made (ms since 1970). */
  outbox: z.object({ depth: count, oldestUnsettledMs: z.number().nullable() }),
  /** lagMs: from the commit at the centre of the newest applied record until it was applied here. */
  streams: z.array(
    z.object({
      topic: z.string(),
      position: z.string(),
      nextOffset: z.number(),
      lagMs: z.number().nullable(),
    }),
  ),
  parked: count,
  /**
   * Central transactions too large to reach the till's tables in one piece, since its agent started; under way: the
   * tables hold a part of one. Not reported by agents of the version before.
   */
  inParts: z.object({ transactions: count, underWay: z.boolean() }).nullish(),
  /**
   * Tables that go up and have rows from before the agent which were never offered, and how many; waits: no row of the
   * centre that is new here comes in before bootstrap. Not reported by agents of the version before.
   */
  earlierRows: z.array(z.object({ table: z.string(), rows: count, waits: z.boolean() })).nullish(),
  /** Mapped tables that this till lacks. */
  missingTables: z.array(z.string()),
  /** Tables that this file can't capture, and why; not reported by agents of the version before. */
  uninstallableTables: z.array(z.object({ table: z.string(), why: z.string() })).nullish(),
  /** Tables on which triggers of the app stand still, and why; not reported by agents of the version before. */
  restingTriggers: z.array(z.object({ table: z.string(), why: z.string() })).nullish(),
  /** Tables most of whose rows are gone without a word, and how many; not reported by agents of the version before. */
  vanishedRows: z.array(z.object({ table: z.string(), rows: z.number() })).nullish(),
  /**
   * payflow.db: journal mode in lower case; bytes left on its disk; the kind of network file system that it lies on, null
   * on a local one. Not reported by agents of the version before.
   */
  file: z
    .object({ journalMode: z.string(), freeBytes: z.number(), network: z.string().nullable() })
    .nullish(),
  checkpoints: z.array(
    z.object({
      table: z.string(),
      position: z.string(),
      lastTimestamp: z.string().nullable(),
      rows: z.number(),
    }),
  ),
});
export type AgentStatus = z.output<typeof agentStatusSchema>;

/** What bootstrap found and did, in all and by local table. */
export const bootstrapCountsSchema = z.object({
  offered: count,
  linked: count,
  inserted: count,
  listed: count,
  /** By the centre: dead letters. An agent of the version before does not say. */
  refused: count.default(0),
});
/** A row that is not linked, and why. Of very many only the first are named. */
export const leftRowSchema = z.object({ table: z.string(), key: z.string(), why: z.string() });
export type LeftRow = z.output<typeof leftRowSchema>;
export const bootstrapResultSchema = bootstrapCountsSchema.extend({
  dryRun: z.boolean(),
  tables: z.record(z.string(), bootstrapCountsSchema),
  rows: z.array(leftRowSchema).default([]),
  /** Rows that stay as they are, since an operator has said that none of them is the centre's. */
  left: count.default(0),
});
export type BootstrapResult = z.output<typeof bootstrapResultSchema>;

/** What a replay went over: `applied` rows were older or missing at the till, the rest was there already. */
export const replayResultSchema = z.object({
  read: count,
  applied: count,
  skipped: count,
  dryRun: z.boolean(),
});
export type ReplayResult = z.output<typeof replayResultSchema>;

/** The local catalog as it travels; `LocalTable` in local-catalog.ts is plain data. */
export const localCatalogSchema = z.object({ tables: z.array(z.looseObject({ name: z.string() })) });
export type LocalCatalogReply = z.output<typeof localCatalogSchema>;

/** Requests of the gateway: event name, and the schemas of what is asked and answered. */
export const AGENT_REQUESTS = {
  'sync:flush': {
    request: z.object({ jobId: z.string(), timeoutMs: z.number().positive() }),
    result: pullResultSchema,
  },
  'sync:catch-up': {
    request: z.object({ jobId: z.string(), lsn: z.string(), timeoutMs: z.number().positive() }),
    result: pushResultSchema,
  },
  'agent:status': { request: z.object({}), result: agentStatusSchema },
  'agent:catalog': { request: z.object({}), result: localCatalogSchema },
  'agent:bootstrap': {
    request: z.object({ dryRun: z.boolean() }),
    result: bootstrapResultSchema,
  },
  /** Answered with the rows that are left alone. An agent of the version before does not know it. */
  'agent:bootstrap-none': { request: z.object({}), result: bootstrapResultSchema },
  'agent:replay': {
    request: z.object({
      topic: z.string(),
      fromOffset: count,
      toOffset: count.optional(),
      /** When the log received a record, ms since 1970. An agent of the version before takes offsets only. */
      fromMs: z.number().optional(),
      toMs: z.number().optional(),
      /** As PostgreSQL writes them. */
      fromLsn: z.string().optional(),
      toLsn: z.string().optional(),
      dryRun: z.boolean(),
    }),
    result: replayResultSchema,
  },
  ...VERIFY_REQUESTS,
} as const;

export type AgentRequestName = keyof typeof AGENT_REQUESTS;
export type AgentRequest<N extends AgentRequestName> = z.output<(typeof AGENT_REQUESTS)[N]['request']>;
export type AgentResult<N extends AgentRequestName> = z.output<(typeof AGENT_REQUESTS)[N]['result']>;

/** The event with which an agent reports an `AgentStatus` by itself. */
export const AGENT_STATUS_EVENT = 'agent:report';

export type Reply<T> =
  | { readonly ok: true; readonly result: T }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

const replySchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), result: z.unknown() }),
  z.object({ ok: z.literal(false), code: z.string(), message: z.string() }),
]);

/**
 * The result in an agent's reply.
 * @throws PayflowError with the agent's own code, or RECORD_MALFORMED when the reply is not of the agreed form
 */
export function readReply<N extends AgentRequestName>(name: N, reply: unknown): AgentResult<N> {
  const outer = replySchema.safeParse(bounded(reply, boundsOf(name)));
  if (!outer.success)
    throw new PayflowError('RECORD_MALFORMED', `the till answered ${name} with something else`);
  if (!outer.data.ok) {
    const { code, message } = outer.data;
    throw new PayflowError(isErrorCode(code) ? code : 'INTERNAL', message, { details: { saidBy: 'till' } });
  }
  const inner = AGENT_REQUESTS[name].result.safeParse(outer.data.result);
  if (!inner.success) {
    throw new PayflowError('RECORD_MALFORMED', `the till answered ${name} with an incomplete result`, {
      cause: inner.error,
    });
  }
  return inner.data as AgentResult<N>;
}

function boundsOf(name: AgentRequestName): Bounds {
  if (name in VERIFY_REQUESTS) return VERIFY_BOUNDS;
  return name === 'agent:catalog' ? CATALOG_BOUNDS : STATUS_BOUNDS;
}

/** An agent's own report, cut to a sane size. @returns undefined when it is of another form */
export function readStatus(report: unknown): AgentStatus | undefined {
  const parsed = agentStatusSchema.safeParse(bounded(report, STATUS_BOUNDS));
  return parsed.success ? parsed.data : undefined;
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
