import { describe, expect, it, vi } from 'vitest';
import { waitForApp, WriteGate } from '../../../../services/terminal-agent/till/write-gate.ts';
import { openTestTill } from '../../../support/till.ts';

describe('the write gate', () => {
  const gateAt = () => {
    const clock = { now: 10_000 };
    return { clock, gate: new WriteGate({ now: () => clock.now }) };
  };

  it('lets every commit through while the app is quiet, and what is usual tells how long one takes', async () => {
    const { gate } = gateAt();
    gate.committed(100);
    expect(await waitForApp(gate)).toBe(Infinity);
    for (let n = 0; n < 50; n += 1) {
      gate.committed(4);
      gate.carried(1);
      gate.committed(54);
      gate.carried(1_000);
    }
    expect(gate.expectedMs(0)).toBeCloseTo(4, 1);
    expect(gate.expectedMs(1_000)).toBeCloseTo(54, 0);
    expect(Math.abs(gate.rowsWithin(29) - 500)).toBeLessThan(20);
    expect(gate.rowsWithin(1)).toBe(1);
  });

  it('lets the rest of the process have its turn between two commits, also while the app is quiet', async () => {
    const { gate } = gateAt();
    let turns = 0;
    setImmediate(() => (turns += 1));
    await waitForApp(gate);
    expect(turns).toBe(1);
  });

  it('has what the pauses of the app left no room for taken of our share', () => {
    const { gate, clock } = gateAt();
    const sell = () => {
      clock.now += 100;
      gate.appWrote();
    };
    for (let sale = 0; sale < 50; sale += 1) sell();
    const isDue = () => gate.turn(90).kind === 'go';
    clock.now += 50;
    gate.committed(50);
    clock.now += 250;
    expect(isDue()).toBe(true);
    sell();
    clock.now += 100;
    gate.committed(100);
    for (let sale = 0; sale < 30; sale += 1) sell();
    expect(isDue()).toBe(false);
    for (let sale = 0; sale < 260; sale += 1) sell();
    expect(isDue()).toBe(true);
  });

  it('asks the file each time whether the app has committed, and leaves the news of it to who cuts', () => {
    const test = openTestTill({
      schema: 'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)',
      mapping: 'version: 1\ntables: {t: {scope: global}}',
    });
    try {
      test.app.exec(`INSERT INTO t VALUES (1, 'a')`);
      expect(test.till.gate.turn(1)).toEqual({ kind: 'go', forMs: 25 });
      expect(test.till.appCommitted()).toBe(true);
      expect(test.till.appCommitted()).toBe(false);
    } finally {
      test.close();
    }
  });

  it('of a till file does not wait longer when the clock is set back', () => {
    let setBackMs = 0;
    const atStart = Date.now();
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => atStart - setBackMs);
    const test = openTestTill({
      schema: 'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)',
      mapping: 'version: 1\ntables: {t: {scope: global}}',
    });
    const { gate } = test.till;
    gate.appWrote();
    gate.committed();
    setBackMs = 3_600_000;
    try {
      expect(gate.isOpen).toBe(true);
    } finally {
      clock.mockRestore();
      test.close();
    }
  });
});
