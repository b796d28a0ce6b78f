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

  it('lets a commit through right behind one of the app, or after half a second', () => {
    const { gate, clock } = gateAt();
    const since = clock.now;
    expect(gate.behindAppMs(since)).toBe(0);
    gate.appWrote();
    expect(gate.behindAppMs(since)).toBe(0);
    clock.now += 100;
    expect(gate.behindAppMs(since)).toBeGreaterThan(0);
    gate.appWrote();
    expect(gate.behindAppMs(since)).toBe(0);
    clock.now += 399;
    expect(gate.behindAppMs(since)).toBeGreaterThan(0);
    clock.now += 1;
    expect(gate.behindAppMs(since)).toBe(0);
  });

  it('makes a commit of ours wait for the next one of an app that sells on', async () => {
    const test = openTestTill({
      schema: 'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)',
      mapping: 'version: 1\ntables: {t: {scope: global}}',
    });
    const { gate } = test.till;
    try {
      gate.appWrote();
      const before = gate.nowMs;
      let soldAt = 0;
      const later = setInterval(() => {
        if (soldAt > 0 || gate.nowMs - before < 50) return;
        gate.appWrote();
        soldAt = gate.nowMs;
      }, 1);
      gate.committed();
      await waitForApp({
        waitMs: () => (gate.nowMs - before < 30 ? 30 : 0),
        behindAppMs: (since) => gate.behindAppMs(since),
        nowMs: gate.nowMs,
      });
      clearInterval(later);
      expect(soldAt).toBeGreaterThan(0);
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
      expect(gate.waitMs()).toBeLessThanOrEqual(250);
    } finally {
      clock.mockRestore();
      test.close();
    }
  });
});
