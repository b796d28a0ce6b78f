/** How far bootstrap is, as it is shown. */
import { expect, it } from 'vitest';
import { stepOf, withProgress } from '../../../services/cli/bootstrap-progress.ts';
import { Output } from '../../../services/cli/terminal-output.ts';
import type { AgentStatus } from '../../../services/shared/agent-protocol.ts';
import { PayflowError } from '../../../services/shared/errors.ts';

const agent = (rows: number | null, depth: number): AgentStatus => ({
  state: 'ready',
  mode: 'stream',
  incarnation: 'i',
  version: '1',
  mappingVersion: 1,
  outbox: { depth, oldestUnsettledMs: null },
  streams: [],
  parked: 0,
  missingTables: [],
  checkpoints: [],
  earlierRows: rows === null ? undefined : [{ table: 'orders', rows, waits: true }],
});

it.each([
  ['at the beginning', agent(100, 0), 0, { done: 0, of: 100 }],
  ['while some are offered and wait for their answers', agent(60, 30), 100, { done: 10, of: 100 }],
  ['when all are answered', agent(0, 0), 100, { done: 100, of: 100 }],
  ['while more is sold than is answered', agent(100, 20), 100, { done: 0, of: 100 }],
  ['of an agent that says nothing of it', agent(null, 5), 100, { done: 95, of: 100 }],
])('%s', (_, status, of, step) => {
  expect(stepOf(status, of)).toEqual(step);
});

function watched(get: () => Promise<unknown>) {
  const noted: string[] = [];
  const output = new Output({ out: () => undefined, err: (text) => noted.push(text), interactive: false });
  let looked: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (looked = resolve));
  const client = {
    get: async <T>() => {
      try {
        return (await get()) as T;
      } finally {
        setImmediate(looked);
      }
    },
  };
  return {
    noted,
    done: withProgress({ client, output, terminalId: 'T1' }, async () => (await first, 'done')),
  };
}

it('is a line where there is no terminal, and ends with the work', async () => {
  const { noted, done } = watched(async () => ({ agent: agent(60, 30) }));
  expect(await done).toBe('done');
  expect(noted).toEqual(['T1: 0 of 90 rows are answered\n']);
});

it('says why it is not known, and lets the work go on', async () => {
  const { noted, done } = watched(() =>
    Promise.reject(new PayflowError('GATEWAY_UNREACHABLE', 'it is away')),
  );
  expect(await done).toBe('done');
  expect(noted.join()).toMatch(/how far it is is not known: \[GATEWAY_UNREACHABLE\] it is away/);
});
