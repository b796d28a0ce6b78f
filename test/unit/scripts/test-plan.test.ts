import { describe, expect, it } from 'vitest';
import {
  addTotals,
  NO_TOTALS,
  parseTestArgs,
  runTotals,
  totalsLine,
  vitestOptions,
} from '../../../scripts/support/test-plan.ts';

describe('what scripts/test is asked to do', () => {
  it('is everything, with the checks and Kafka, without arguments', () => {
    expect(parseTestArgs([])).toEqual({
      kind: 'tests',
      parts: ['unit', 'integration', 'end-to-end'],
      checks: true,
      isolated: true,
      kafka: true,
      postgres: undefined,
    });
  });

  it.each(['unit', 'integration', 'end-to-end', 'catalog', 'journey'])(
    'is one part without the checks: %s',
    (part) => {
      expect(parseTestArgs([part])).toMatchObject({ parts: [part], checks: false, kafka: true });
    },
  );

  it('goes on without Kafka when told, before or after the part', () => {
    for (const args of [
      ['--no-kafka', 'unit'],
      ['unit', '--no-kafka'],
    ]) {
      expect(parseTestArgs(args)).toMatchObject({ parts: ['unit'], kafka: false });
    }
  });

  it('is on another Node what may differ there, or the part that is named', () => {
    expect(parseTestArgs(['--node', '26'])).toEqual({
      kind: 'tests',
      parts: ['unit', 'journey'],
      checks: false,
      isolated: false,
      kafka: true,
      postgres: undefined,
    });
    expect(parseTestArgs(['--node=22', 'integration'])).toMatchObject({ parts: ['integration'] });
  });

  it('is on another PostgreSQL what may differ there, or the part that is named', () => {
    expect(parseTestArgs(['--postgres', '14'])).toMatchObject({
      parts: ['catalog', 'journey'],
      checks: false,
      postgres: '14',
    });
    expect(parseTestArgs(['integration', '--postgres=16'])).toMatchObject({
      parts: ['integration'],
      postgres: '16',
    });
  });

  it('hands the fault runs their own arguments', () => {
    expect(parseTestArgs(['faults', '--rounds', '3', '--seed', '7'])).toEqual({
      kind: 'faults',
      args: ['--rounds', '3', '--seed', '7'],
    });
  });

  it.each([[['units']], [['unit', 'integration']], [['--kafka']], [['--postgres', '13']]])(
    'is refused: %j',
    (args) => {
      expect(() => parseTestArgs(args)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    },
  );
});

describe('the files of a part', () => {
  const around = { servers: 2, isolated: true };

  it.each(['integration', 'catalog'] as const)('run at once, one on each server: %s', (part) => {
    expect(vitestOptions(part, around)).toEqual(['--fileParallelism', '--maxWorkers=2']);
    expect(vitestOptions(part, { ...around, servers: 1 })).toEqual([]);
  });

  it('run one after the other where each takes all cores', () => {
    for (const part of ['end-to-end', 'journey'] as const) expect(vitestOptions(part, around)).toEqual([]);
  });

  it('share processes only where they ran apart on another Node', () => {
    expect(vitestOptions('unit', around)).toEqual(['--fileParallelism']);
    expect(vitestOptions('unit', { ...around, isolated: false })).toContain('--no-isolate');
    expect(parseTestArgs(['unit', '--node', '22'])).toMatchObject({ isolated: true });
  });
});

describe('the totals', () => {
  const loaded = { status: 'passed', assertionResults: [{}] };
  const report = {
    numPassedTests: 4,
    numFailedTests: 1,
    numPendingTests: 2,
    numTodoTests: 1,
    testResults: [loaded],
  };

  it('are what the run reported', () => {
    expect(runTotals(report, 1)).toEqual({ passed: 4, failed: 1, skipped: 3 });
  });

  it('count a file that could not be loaded as failed', () => {
    const unloaded = { status: 'failed', assertionResults: [] };
    const run = { ...report, numFailedTests: 0, testResults: [loaded, unloaded] };
    expect(runTotals(run, 1)).toMatchObject({ failed: 1 });
  });

  it('count a run that failed outside of any test as failed', () => {
    expect(runTotals({ ...report, numFailedTests: 0 }, 1)).toMatchObject({ failed: 1 });
    expect(runTotals({ ...report, numFailedTests: 0 }, null)).toMatchObject({ failed: 1 });
    expect(runTotals(undefined, 1)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });

  it('are nothing for a run without tests that went well', () => {
    expect(runTotals(undefined, 0)).toEqual(NO_TOTALS);
  });

  it('are summed and printed in the promised form', () => {
    const sum = addTotals({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 });
    expect(totalsLine(sum)).toBe('11 passed, 22 failed, 33 skipped');
  });
});
