/** What every service's `run<Name>(config, context)` is given by whoever starts it. */
import type { Logger } from 'pino';
import type { EventLog } from './log/event-log.ts';
import type { HealthParts } from './health.ts';
import type { Registry } from './metrics.ts';

export interface ServiceContext {
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Given under `payflow up`, where one process shares one log; otherwise the service opens its own. */
  readonly eventLog?: EventLog;
  /** Where the service's parts report; /readyz is made of it. */
  readonly health?: HealthParts;
  readonly registry?: Registry;
}
