/** How a server takes its port. */
import { freePort } from './database/free-port.ts';

/** Told the port that somebody has, and the one that was taken in its place. */
export type OnPortTaken = (taken: number, instead: number) => void;

export interface ListeningOptions {
  readonly port: number;
  /** Takes the port. @throws Error with Node's code EADDRINUSE when somebody has it */
  readonly listen: (port: number) => Promise<unknown>;
  /** Without it a port that is in use is an error. */
  readonly onPortTaken?: OnPortTaken | undefined;
}

/**
 * Takes the port, or where another may stand in for it, a free one. It is taken, never looked at first: a port
 * that is free at one moment may be somebody's the next.
 */
export async function takePort({ port, listen, onPortTaken }: ListeningOptions): Promise<void> {
  let wanted = port;
  for (;;) {
    try {
      await listen(wanted);
      break;
    } catch (error) {
      if (onPortTaken === undefined || !isInUse(error)) throw error;
      wanted = await freePort();
    }
  }
  if (wanted !== port) onPortTaken?.(port, wanted);
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}
