/** Rows of two tills and head office, whatever comes between: equal at the end, and each sale counts once. */
import { describe, expect, it } from 'vitest';
import { play, type Faults } from './model/world.ts';

const ROW: Faults = { replace: true, delete: true, reuse: true, rekey: true, park: true };
const WORLDS: Readonly<Record<string, Faults>> = {
  'sales and edits alone': {},
  'rows replaced, deleted, made anew under their keys, and moved': ROW,
  'with compaction': { ...ROW, compact: true },
  'with lost agent files': { ...ROW, compact: true, loss: true },
  'with files restored': { ...ROW, compact: true, loss: true, restore: true, quiet: true },
  'with triggers away for a while': {
    replace: true,
    rekey: true,
    park: true,
    compact: true,
    triggersOff: true,
  },
};
const RUNS = Number(process.env['ROW_MODEL_RUNS'] ?? 300);
const SEED = Number(process.env['ROW_MODEL_SEED'] ?? 1);

describe('rows of two tills and head office', () => {
  it.each(Object.entries(WORLDS))('%s', (_name, faults) => {
    const failed: string[] = [];
    for (let seed = SEED; seed < SEED + RUNS; seed += 1) {
      const [first] = play(seed, faults);
      if (first !== undefined) failed.push(`seed ${seed}: ${first}`);
    }
    expect(failed).toEqual([]);
  });
});
