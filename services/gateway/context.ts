/** What the routes and sockets of one gateway share. */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { EventLog } from '../shared/log/event-log.ts';
import type { Registry } from '../shared/metrics.ts';
import type { Agents } from './agents.ts';
import type { TrustedProxies } from './client-address.ts';
import type { Doorkeeper } from './doorkeeper.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { Markers } from './jobs/markers.ts';
import type { VerifyRuns } from './verify/verify-runs.ts';
import type { EvidenceView } from './evidence-view.ts';
import type { TlsFiles } from './tls.ts';
import type { BucketSize } from './token-bucket.ts';

export interface GatewayContext {
  readonly pool: Pool;
  readonly prefix: string;
  readonly agents: Agents;
  readonly jobs: Jobs;
  readonly markers: Pick<Markers, 'write'>;
  readonly verify: VerifyRuns;
  readonly registry: Registry;
  readonly log: Logger;
  readonly now: () => Date;
  /** Given to tills at enrolment; undefined under the embedded log. */
  readonly brokers: readonly string[] | undefined;
  /** Opened when it is first needed: to register tills and to retire them. @throws PayflowError CONFIG_INVALID */
  readonly eventLog: () => EventLog;
  readonly limits: GatewayLimits;
  readonly doorkeeper: Doorkeeper;
  readonly proxies: TrustedProxies;
  /** undefined: plain HTTP. */
  readonly tls: TlsFiles | undefined;
  readonly evidence: EvidenceView;
  /** How often is looked whether tokens of open sockets, and tills that jobs wait for, are still valid. */
  readonly recheckMs: number;
}

/** A revoked token is out within 5 s, the time of the question included. */
export const DEFAULT_RECHECK_MS = 3_000;

export interface GatewayLimits {
  /** Requests a minute by one token (or address, without a token that is known to be good). */
  readonly perMinute: number;
  /** Enrolments a minute from one address: a code is worth guessing only if it can be tried often. */
  readonly enrolmentsPerMinute: number;
  /** Of tokens and codes that turn out wrong, by address. */
  readonly failures: BucketSize;
  /** Of `sync:request`, by till. */
  readonly syncRequests: BucketSize;
  /** Open sockets (Socket.IO): in all, from one address, and from one address before they have shown a token. */
  readonly sockets: number;
  readonly socketsPerAddress: number;
  readonly strangersPerAddress: number;
  /** TCP connections from one address that is no trusted proxy, HTTP and sockets together. */
  readonly connectionsPerAddress: number;
  /** And in all. */
  readonly connections: number;
  /** How long a connection may take to show a token, and how long the head of a request may take. */
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  perMinute: 600,
  enrolmentsPerMinute: 30,
  failures: { capacity: 30, perMinute: 30 },
  syncRequests: { capacity: 20, perMinute: 60 },
  sockets: 20_000,
  socketsPerAddress: 1_000,
  strangersPerAddress: 100,
  connectionsPerAddress: 2_000,
  connections: 25_000,
  connectTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
};
