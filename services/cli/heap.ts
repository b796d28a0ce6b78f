/**
 * How far the heap may grow. V8 lets garbage pile up to hundreds of megabytes before it looks for the first
 * time, and then to four times what is alive, since memory is there; a till's computer has other work to do. A
 * process of ours keeps some 40 MB alive, whatever the backlog, so it may hold twice that.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Of what is alive after a collection. */
const GROWTH_PERCENT = 100;

/**
 * The young generation is three of these. Node 24 lets one grow to 64 MB: an agent that draws a backlog held 310 MB
 * instead of 200 for it. V8 takes the limit only when a process starts.
 */
const YOUNG_FLAG = '--max-semi-space-size';
const YOUNG_MB = 16;

/**
 * Starts the program again in this very process (execve: the same process id and the same open streams), with a young
 * generation of bounded size; does not return then. Where that is not possible (Windows) the process goes on as it
 * is. Call it before anything is opened or listens for signals.
 */
export function boundYoungGeneration(): void {
  const given = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''];
  if (given.some((option) => option.includes(YOUNG_FLAG))) return;
  if (process.platform === 'win32' || process.execve === undefined) return;
  const flag = `${YOUNG_FLAG}=${YOUNG_MB}`;
  const args = [process.execPath, flag, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(process.execPath, args, process.env);
}

/** Call first of all: the collection ends the generous beginning, and is cheap only while nothing is there. */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collect();
}
