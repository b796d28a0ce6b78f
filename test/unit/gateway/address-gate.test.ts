import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { AddressGate } from '../../../services/gateway/address-gate.ts';
import { Buckets } from '../../../services/gateway/token-bucket.ts';
import { PayflowError } from '../../../services/shared/errors.ts';

const log = pino({ level: 'silent' });

function gateAt(clock: { ms: number }, capacity = 3): AddressGate {
  return new AddressGate({ failures: { capacity, perMinute: 60 }, log, now: () => clock.ms });
}

const wrong = () => Promise.reject(new PayflowError('UNAUTHENTICATED', 'wrong'));
const codeOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'passed',
    (error: unknown) => (error as PayflowError).code,
  );

describe('the gate of an address', () => {
  it('counts failures only: any number of good attempts pass', async () => {
    const gate = gateAt({ ms: 0 });
    for (let n = 0; n < 50; n += 1) expect(await gate.pass('1.1.1.1', () => Promise.resolve(n))).toBe(n);
  });

  it('is shut after as many failures, for this address alone, and opens again with time', async () => {
    const clock = { ms: 0 };
    const gate = gateAt(clock);
    for (let n = 0; n < 3; n += 1) expect(await codeOf(gate.pass('1.1.1.1', wrong))).toBe('UNAUTHENTICATED');
    expect(await codeOf(gate.pass('1.1.1.1', () => Promise.resolve(1)))).toBe('RATE_LIMITED');
    expect(await codeOf(gate.pass('2.2.2.2', () => Promise.resolve(1)))).toBe('passed');
    clock.ms += 1_000;
    expect(await codeOf(gate.pass('1.1.1.1', () => Promise.resolve(1)))).toBe('passed');
  });

  it('lets a burst through a few at a time, so that most of it is refused unasked', async () => {
    const gate = gateAt({ ms: 0 });
    let asked = 0;
    const attempts = Array.from({ length: 200 }, () =>
      codeOf(
        gate.pass('1.1.1.1', async () => {
          asked += 1;
          await Promise.resolve();
          return wrong();
        }),
      ),
    );
    const codes = await Promise.all(attempts);
    expect(asked).toBeLessThanOrEqual(3 + 4);
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(200 - asked);
  });

  it('makes a good attempt wait behind a burst of good ones, and passes it', async () => {
    const gate = gateAt({ ms: 0 });
    const attempts = Array.from({ length: 300 }, (_, n) => gate.pass('1.1.1.1', () => Promise.resolve(n)));
    expect(await Promise.all(attempts)).toHaveLength(300);
  });

  it('does not count an outage of PostgreSQL against anybody', async () => {
    const gate = gateAt({ ms: 0 });
    const away = () => Promise.reject(new PayflowError('DB_UNREACHABLE', 'away'));
    for (let n = 0; n < 10; n += 1) expect(await codeOf(gate.pass('1.1.1.1', away))).toBe('DB_UNREACHABLE');
  });
});

describe('buckets', () => {
  it('do not grow with the number of keys, and forget full ones first', () => {
    let ms = 0;
    const buckets = new Buckets({ capacity: 1, perMinute: 60 }, () => ms, 100);
    for (let n = 0; n < 1_000; n += 1) buckets.take(`key ${n}`);
    expect(buckets.size).toBeLessThanOrEqual(100);
    expect(buckets.take('key 999')).toBe(false);
    ms += 2_000;
    expect(buckets.take('key 999')).toBe(true);
  });
});
