/**
 * Sync by the clock: SYNC_SCHEDULE in SYNC_TIMEZONE. Flushes and catches up the connected tills in the modes
 * `stream` and `scheduled`, never `manual`. A till that is offline now is not queued: its turn comes with the
 * next tick after it connects, and a night offline must not leave a hundred jobs behind.
 */
import { schedule, validate } from 'node-cron';
import type { Logger } from 'pino';
import type { SyncMode } from '../../shared/agent-protocol.ts';
import { asPayflowError, PayflowError } from '../../shared/errors.ts';

/** The tills whose turn it is at a tick. */
export function scheduledTerminals(
  connected: readonly { readonly terminalId: string; readonly mode: SyncMode }[],
): string[] {
  return connected.filter(({ mode }) => mode !== 'manual').map(({ terminalId }) => terminalId);
}

/** @throws PayflowError CONFIG_INVALID when it is neither empty nor a cron expression of five or six fields */
export function checkSchedule(variable: string, expression: string): void {
  const fields = expression.trim().split(/\s+/).length;
  if (expression.trim() === '' || ((fields === 5 || fields === 6) && validate(expression))) return;
  throw new PayflowError('CONFIG_INVALID', `${variable} "${expression}" is not a cron expression`, {
    details: { variables: [variable] },
  });
}

export interface ScheduleOptions {
  /** What is done by it: sync or verify. */
  readonly name: 'sync' | 'verify';
  readonly expression: string;
  readonly timezone: string;
  readonly log: Logger;
  /** What to do at a tick; a tick that comes while it still runs is skipped. */
  readonly tick: () => Promise<void>;
}

/** @returns the function that stops it */
export function startSchedule(options: ScheduleOptions): () => Promise<void> {
  checkSchedule(`${options.name.toUpperCase()}_SCHEDULE`, options.expression);
  if (options.expression.trim() === '') return async () => undefined;
  const task = schedule(
    options.expression,
    async () => {
      try {
        await options.tick();
      } catch (thrown) {
        const error = asPayflowError(thrown);
        options.log.warn(
          { code: error.code, err: error },
          `the scheduled ${options.name} failed; the next tick tries again`,
        );
      }
    },
    { timezone: options.timezone, noOverlap: true, name: options.name, logger: options.log },
  );
  return async () => {
    await task.destroy();
  };
}
