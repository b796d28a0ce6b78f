/** When a transaction of ours is in nobody's way, as a table; and what becomes of apps with and without a rhythm. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../scripts/support/shop.ts';
import {
  roomBefore,
  saved,
  spent,
  turnOf,
  withPause,
  type AppPace,
} from '../../../../services/terminal-agent/till/app-pace.ts';
import { WriteGate } from '../../../../services/terminal-agent/till/write-gate.ts';

const EVEN = Array.from({ length: 50 }, (_, n) => 100 + (n % 10));
const SELDOM = [3_000, 4_000];

describe('a transaction of ours', () => {
  const pace = (more: Partial<AppPace>): AppPace => ({
    pausesMs: EVEN,
    sinceAppMs: 0,
    silentMs: more.sinceAppMs ?? 0,
    sinceOursMs: 10_000,
    savedMs: 0,
    ...more,
  });

  it.each<[string, Partial<AppPace>, number, 'wait' | number]>([
    ['is free where the app has not written for long', { sinceAppMs: 2_001 }, 500, Infinity],
    [
      'not where it could not, as we held the file',
      { sinceAppMs: 2_001, silentMs: 90, savedMs: -1 },
      5,
      'wait',
    ],
    ['is free within half of the shortest pause', {}, 20, 25],
    ['no longer than that', { sinceAppMs: 40 }, 5, 10],
    ['is not, where it takes longer', { sinceAppMs: 30, savedMs: -1 }, 21, 'wait'],
    ['nor once the app may come', { sinceAppMs: 60, savedMs: -1 }, 1, 'wait'],
    ['nor after the longest of its pauses', { sinceAppMs: 400, savedMs: -1 }, 1, 'wait'],
    ['is free of an app of which no pause is known', { pausesMs: [], sinceAppMs: 1 }, 20, 25],
    ['is free behind an app that writes seldom', { pausesMs: SELDOM, sinceAppMs: 500 }, 25, 25],
    ['takes of its share at any moment', { sinceAppMs: 60 }, 80, 5],
    ['takes of it again a while later', { sinceAppMs: 60, sinceOursMs: 249 }, 80, 'wait'],
    ['takes nothing of a share that is used up', { sinceAppMs: 60, savedMs: -0.1 }, 80, 'wait'],
  ])('%s', (_, given, holdMs, expected) => {
    const turn = turnOf(pace(given), holdMs);
    expect(turn.kind === 'go' ? turn.forMs : turn.kind).toBe(expected);
  });

  it('has one moment in 250, which is kept up to a bound, and owed where it took more', () => {
    expect(saved(0, 1_000)).toBe(4);
    expect(saved(0, 1_000_000)).toBe(30);
    expect(saved(spent(0, 97), 25_000)).toBe(0);
  });
});

it('knows the last fifty pauses, and the longest only as long', () => {
  let pauses: readonly number[] = [1];
  for (let n = 0; n < 50; n += 1) pauses = withPause(pauses, 1e6);
  expect(new Set(pauses)).toEqual(new Set([4_000]));
  expect(roomBefore({ pausesMs: pauses, sinceAppMs: 100 })).toBe(1_900);
});

/** Plays an app that waits for no lock against transactions of ours that are always wanted. */
function play(pauseMs: () => number, { holdMs, sales }: { holdMs: number; sales: number }) {
  let now = 0;
  const gate = new WriteGate({ now: () => now });
  let nextSale = pauseMs();
  let failed = 0;
  let held = 0;
  const sellUntil = (ms: number, isHeld: boolean) => {
    for (; nextSale <= ms; nextSale += pauseMs()) {
      now = nextSale;
      if (isHeld) failed += 1;
      else gate.appWrote();
      sales -= 1;
    }
    now = ms;
  };
  const total = sales;
  for (let sale = 0; sale < 100; sale += 1) sellUntil(nextSale, false);
  while (sales > 0) {
    const turn = gate.turn(holdMs);
    if (turn.kind === 'wait') {
      sellUntil(now + turn.ms, false);
      continue;
    }
    sellUntil(now + holdMs, true);
    gate.committed(holdMs);
    held += holdMs;
    sellUntil(now + 1, false);
  }
  return { failed: (100 * failed) / total, share: held / now };
}

describe('of the sales of an app that waits for no lock', () => {
  const random = seededRandom(7);
  it.each<[string, () => number, number, number]>([
    ['every 100 ms, transactions of 20 ms', () => 75 + 50 * random(), 20, 0.15],
    ['every 100 ms, transactions of 5 ms', () => 75 + 50 * random(), 5, 0.25],
    ['every second', () => 900 + 200 * random(), 20, 0.25],
    ['in bursts of five', () => (random() < 0.2 ? 300 + 200 * random() : 6), 20, 0.003],
    ['at any moment, ten a second', () => -100 * Math.log(1 - random()), 5, 0.002],
    ['at any moment, transactions of 50 ms', () => -100 * Math.log(1 - random()), 50, 0.003],
  ])('at most one in two hundred fails: %s', (_, pauseMs, holdMs, least) => {
    const { failed, share } = play(pauseMs, { holdMs, sales: 20_000 });
    expect(failed).toBeLessThanOrEqual(0.5);
    expect(share).toBeGreaterThanOrEqual(least);
  });
});
