/** Order and durability when connections, disks and processes fail. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../services/shared/paths.ts';
import { seededRandom } from '../../../support/random.ts';
import { offsetOf, readAll, text, type Conformance } from './conformance-context.ts';

const SEED = Number(process.env['TEST_SEED'] ?? Date.now() % 1_000_000);

export function faultTests(context: Conformance): void {
  test(`10,000 appends with failures and lost replies: none missing, none out of order (seed ${SEED})`, async () => {
    const stream = await context.newStream();
    const random = seededRandom(SEED);
    const faulty = await context.under.openFaulty(random);
    const appends = Array.from({ length: 10_000 }, (_, number) => ({ number, count: 1 + (number % 3) }));
    const troubles = new Set<string>();
    const append = ({ number, count }: { number: number; count: number }) => {
      const records = Array.from({ length: count }, (_, index) => ({
        key: text(`${number}`),
        value: text(`${number}:${index}`),
      }));
      const onTrouble = ({ code }: { code: string }) => troubles.add(code);
      return offsetOf(faulty.log.append(stream, records, { onTrouble }));
    };
    try {
      const bases: number[] = [];
      while (bases.length < appends.length) {
        const wave = appends.slice(bases.length, bases.length + 1 + Math.floor(random() * 20));
        bases.push(...(await Promise.all(wave.map(append))));
      }
      const stored = await readAll(context.log, stream, 1);
      const at = new Map(stored.map((record) => [record.offset, record.value?.toString()]));
      for (const { number, count } of appends) {
        const base = bases[number] ?? -1;
        for (let index = 0; index < count; index += 1)
          expect(at.get(base + index)).toBe(`${number}:${index}`);
      }
      const order = stored.map((record) => Number(record.key?.toString()));
      expect(order.every((number, index) => index === 0 || (order[index - 1] ?? 0) <= number)).toBe(true);
      expect(faulty.strikes()).toBeGreaterThan(20);
      expect([...troubles]).toEqual(['LOG_UNREACHABLE']);
    } finally {
      await faulty.stop();
    }
  }, 240_000);

  test('what an append reported as durable survives kill -9 of the writer', async () => {
    const stream = await context.newStream();
    const child = spawn(
      process.execPath,
      ['test/support/log-writer.ts', ...context.under.writerArguments, stream.topic],
      { cwd: packageRoot(), stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const exited = once(child, 'exit');
    const reported: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      reported.push(line);
      if (reported.length === 300) child.kill('SIGKILL');
    }
    await exited;
    expect(reported.length).toBeGreaterThanOrEqual(300);
    const stored = new Map((await readAll(context.log, stream, 1)).map((record) => [record.offset, record]));
    for (const line of reported) {
      const [number, offset] = line.split(' ');
      expect(stored.get(Number(offset))?.value?.toString()).toBe(number);
    }
  });
}
