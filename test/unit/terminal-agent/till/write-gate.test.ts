import { describe, expect, it } from 'vitest';
import { WriteGate } from '../../../../services/terminal-agent/till/write-gate.ts';

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
});
