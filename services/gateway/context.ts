/** What the routes and sockets of one gateway share. */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { EventLog } from '../shared/log/event-log.ts';
import type { Registry } from '../shared/metrics.ts';
import type { Agents } from './agents.ts';
import type { Jobs } from './jobs/jobs.ts';

export interface GatewayContext {
  readonly pool: Pool;
  readonly prefix: string;
  readonly agents: Agents;
  readonly jobs: Jobs;
  readonly registry: Registry;
  readonly log: Logger;
  readonly now: () => Date;
  /** Given to tills at enrolment; undefined under the embedded log. */
  readonly brokers: readonly string[] | undefined;
  /** Opened when it is first needed: to register tills and to retire them. @throws PayflowError CONFIG_INVALID */
  readonly eventLog: () => EventLog;
  readonly horizonDays: number;
  readonly limits: RateLimits;
  /** How often is looked whether tokens of open sockets, and tills that jobs wait for, are still valid. */
  readonly recheckMs: number;
}

export const DEFAULT_RECHECK_MS = 15_000;

export interface RateLimits {
  /** Requests a minute by one token (or address, without a token). */
  readonly perMinute: number;
  /** Enrolments a minute from one address: a code is worth guessing only if it can be tried often. */
  readonly enrolmentsPerMinute: number;
}

export const DEFAULT_LIMITS: RateLimits = { perMinute: 600, enrolmentsPerMinute: 30 };
