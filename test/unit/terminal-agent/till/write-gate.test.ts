import { describe, expect, it, vi } from 'vitest';
import { waitForApp, WriteGate } from '../../../../services/terminal-agent/till/write-gate.ts';
import { openTestTill } from '../../../support/till.ts';

describe('the write gate', () => {
  const gateAt = () => {
    const clock = { now: 10_000 };
    return { clock, gate: new WriteGate({ now: () => clock.now }) };
  };

  it('lets every commit through while the app is quiet', () => {
    const { gate } = gateAt();
    gate.committed();
    expect(gate.waitMs()).toBe(0);
  });

  it('lets the rest of the process have its turn between two commits, also while the app is quiet', async () => {
    const { gate } = gateAt();
    let turns = 0;
    setImmediate(() => (turns += 1));
    expect(await waitForApp(gate)).toBe(false);
    expect(turns).toBe(1);
  });

  it('holds commits 250 ms apart while the app has written within the last second', () => {
    const { gate, clock } = gateAt();
    gate.appWrote();
    expect(gate.waitMs()).toBe(0);
    gate.committed();
    expect(gate.waitMs()).toBe(250);
    clock.now += 100;
    expect(gate.waitMs()).toBe(150);
    clock.now += 150;
    expect(gate.waitMs()).toBe(0);
  });

  it('opens a second after the last write of the app', () => {
    const { gate, clock } = gateAt();
    gate.appWrote();
    clock.now += 1001;
    gate.committed();
    expect(gate.waitMs()).toBe(0);
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
      expect(gate.waitMs()).toBeLessThanOrEqual(250);
    } finally {
      clock.mockRestore();
      test.close();
    }
  });
});
