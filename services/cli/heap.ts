/**
 * How far the heap may grow. V8 lets garbage pile up to hundreds of megabytes before it looks for the first
 * time, and then to four times what is alive, since memory is there; a till's computer has other work to do. A
 * process of ours keeps some 40 MB alive, whatever the backlog, so it may hold twice that.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Of what is alive after a collection. */
const GROWTH_PERCENT = 100;

/** Call first of all: the collection ends the generous beginning, and is cheap only while nothing is there. */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collect();
}
