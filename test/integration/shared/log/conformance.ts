/** The contract of event-log.ts as tests, run on every adapter. */
import { afterAll, beforeAll, describe } from 'vitest';
import { appendTests } from './conformance-appends.ts';
import { Conformance, type LogUnderTest } from './conformance-context.ts';
import { faultTests } from './conformance-faults.ts';
import { readingTests } from './conformance-reading.ts';
import { streamTests } from './conformance-streams.ts';

export function eventLogConformance(name: string, start: () => Promise<LogUnderTest>): void {
  describe(`${name}: the event log`, () => {
    const context = new Conformance();

    beforeAll(async () => {
      context.under = await start();
      context.log = context.under.open();
    });
    afterAll(async () => {
      await context.log.close();
      await context.under.stop();
    });

    appendTests(context);
    faultTests(context);
    readingTests(context);
    streamTests(context);
  });
}
