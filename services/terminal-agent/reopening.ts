/** An agent for as long as it takes: its till file may be put back, or replaced, while it runs. */
import type { Logger } from 'pino';
import { asPayflowError, errorLine, type PayflowError } from '../shared/errors.ts';
import { Backoff, sleep, superviseOnce, type Health } from '../shared/lifecycle.ts';
import type { TerminalAgent } from './agent.ts';
import { isMendedOutside } from './mended-outside.ts';

/** An agent that ran for so long has found its file in order. */
const LASTING_MS = 60_000;
/** Triggers whose tables somebody has dropped fail every sale until these are there again. */
const FIRST_MS = 20;

export interface ReopeningOptions {
  /** Opens the file; what it finds there decides whether it goes on. undefined: the signal came first. */
  readonly open: () => Promise<TerminalAgent | undefined> | TerminalAgent | undefined;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly onHealth?: ((health: Health) => void) | undefined;
  /** Told each time that it holds the till's file. */
  readonly onOpen: (agent: TerminalAgent) => void;
}

/**
 * Runs until the signal is aborted. A file that the app holds for long (a backup, a VACUUM) or a disk in trouble is
 * waited for, at start too.
 * @throws PayflowError what a person must mend
 */
export async function runReopening({ open, signal, log, onHealth, onOpen }: ReopeningOptions): Promise<void> {
  let wasOpen = false;
  const backoff = new Backoff({ firstMs: FIRST_MS });
  const endures = (error: PayflowError) =>
    error.code === 'TERMINAL_DB_REPLACED' || isMendedOutside(error, wasOpen);
  const options = { log, onHealth, endures };
  while (!signal.aborted) {
    const agent = await superviseOnce(signal, options, open);
    if (agent === undefined) return;
    wasOpen = true;
    const openedAt = performance.now();
    onOpen(agent);
    try {
      await agent.run(signal);
    } catch (thrown) {
      const error = asPayflowError(thrown);
      if (error.code !== 'TERMINAL_DB_REPLACED') throw error;
      onHealth?.({ state: 'unready', error });
      log.warn({ code: error.code, err: error }, errorLine(error));
    } finally {
      agent.close();
    }
    // A file that somebody writes on and on: not at once again and again.
    if (performance.now() - openedAt > LASTING_MS) backoff.reset();
    await sleep(backoff.next(), signal);
  }
}
