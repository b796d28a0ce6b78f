import { expect, it } from 'vitest';
import { verifyExitCode } from '../../../services/cli/commands/verify.ts';
import type { VerifiedTill } from '../../../services/gateway/verify/run-store.ts';

const NOTHING = { differs: 0, known: 0, byDesign: 0, moving: 0, notLookedAt: 0 };

function till(summary: Partial<typeof NOTHING> | null): VerifiedTill {
  return {
    terminalId: 't',
    state: summary === null ? 'failed' : 'done',
    summary: summary === null ? null : { ...NOTHING, ...summary },
    tables: [],
    skipped: [],
    startedAt: null,
    finishedAt: null,
    error: null,
    progress: null,
  };
}

it.each([
  ['nothing differs', [till({})], 0],
  ['rows differ as the mapping says, or change at each look', [till({ byDesign: 3, moving: 2 })], 0],
  ['a row differs', [till({}), till({ differs: 1 })], 1],
  ['a row differs for a known reason', [till({ known: 1 })], 1],
  ['rows were not looked at', [till({ notLookedAt: 1 })], 1],
  ['a till could not be compared', [till({}), till(null)], 3],
  ['one could not be compared, and another differs', [till(null), till({ differs: 1 })], 1],
])('where %s', (_, terminals, expected) => {
  const run = { runId: 'r', table: null, repair: false, requestedBy: 'x', requestedAt: '' };
  expect(verifyExitCode({ ...run, state: 'done', terminals })).toBe(expected);
});
