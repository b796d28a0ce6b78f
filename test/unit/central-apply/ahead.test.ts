/** Working ahead changes neither what comes nor its order, and leaves nothing running. */
import { describe, expect, it } from 'vitest';
import { oneAhead } from '../../../services/central-apply/ahead.ts';

interface Seen {
  closed: boolean;
  asked: number;
}

/** Numbers from 1 on; waits for the abort after the last one, as a log does at its end. */
function numbers(last: number, seen: Seen) {
  return async function* (signal: AbortSignal): AsyncGenerator<number> {
    try {
      for (let n = 1; n <= last; n += 1) {
        seen.asked = n;
        yield n;
      }
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
    } finally {
      seen.closed = true;
    }
  };
}

function setUp(last: number, work: (n: number) => Promise<number> = async (n) => n * 10) {
  const seen: Seen = { closed: false, asked: 0 };
  const stop = new AbortController();
  return { seen, stop, results: oneAhead({ source: numbers(last, seen), work, signal: stop.signal }) };
}

describe('one item ahead', () => {
  it('gives every result in order, and ends when the source does', async () => {
    const { stop, seen, results } = setUp(5);
    const got: number[] = [];
    for await (const result of results) {
      got.push(result);
      if (got.length === 5) stop.abort();
    }
    expect(got).toEqual([10, 20, 30, 40, 50]);
    expect(seen.closed).toBe(true);
  });

  it('works on the next item while the last one is in use, and not on more', async () => {
    const { seen, results } = setUp(5);
    await results.next();
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen.asked).toBe(2);
    await results.return(undefined);
  });

  it('lets go of a source that waits when the consumer fails', async () => {
    const { seen, results } = setUp(1);
    const consume = async () => {
      for await (const result of results) throw new Error(`refused ${result}`);
    };
    await expect(consume()).rejects.toThrow('refused 10');
    expect(seen.closed).toBe(true);
  });

  it('reports an error when it is the turn of the item that has it', async () => {
    const { seen, results } = setUp(3, async (n) => {
      if (n === 2) throw new Error('two is bad');
      return n;
    });
    expect(await results.next()).toEqual({ done: false, value: 1 });
    await expect(results.next()).rejects.toThrow('two is bad');
    expect(seen.closed).toBe(true);
  });
});
