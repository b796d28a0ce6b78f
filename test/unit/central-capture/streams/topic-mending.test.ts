import { describe, expect, it } from 'vitest';
import { topicTodos } from '../../../../services/central-capture/setup/setup-topics.ts';
import type { SetupContext } from '../../../../services/central-capture/setup/setup-context.ts';
import { putBack } from '../../../../services/central-capture/streams/topic-mending.ts';
import { PayflowError } from '../../../../services/shared/errors.ts';
import type { TopicDifference } from '../../../../services/shared/log/topic-settings.ts';
import { catalogTopic } from '../../../../services/shared/log/topics.ts';

const harmless: TopicDifference = {
  setting: 'compression.type',
  found: 'gzip',
  wanted: 'producer',
  harm: null,
};
const policy: TopicDifference = {
  setting: 'cleanup.policy',
  found: 'delete',
  wanted: 'compact',
  harm: 'rows are removed',
};
const lag: TopicDifference = {
  setting: 'min.compaction.lag.ms',
  found: '0',
  wanted: '9',
  harm: 'transactions are torn',
};

/** Changes all settings of a request or none, as brokers do. */
function cluster(forbidden: readonly string[], code: 'LOG_AUTH' | 'LOG_UNREACHABLE' = 'LOG_AUTH') {
  const requests: string[][] = [];
  const changed: string[] = [];
  const changeTopic = (_topic: string, settings: ReadonlyMap<string, string>) => {
    const names = [...settings.keys()];
    requests.push(names);
    const refused = names.find((name) => forbidden.includes(name));
    if (refused !== undefined) return Promise.reject(new PayflowError(code, `${refused} may not be changed`));
    changed.push(...names);
    return Promise.resolve();
  };
  return { changeTopic, requests, changed };
}

describe('settings of a topic are put back', () => {
  it('in one request where all may be', async () => {
    const log = cluster([]);
    const mended = await putBack(log, 't', [harmless, policy, lag]);
    expect(mended).toEqual({ done: [harmless, policy, lag], problem: undefined });
    expect(log.requests).toHaveLength(1);
  });

  it('each for itself, the harmful first, where one may not be changed and does no harm', async () => {
    const log = cluster(['compression.type']);
    const mended = await putBack(log, 't', [harmless, policy, lag]);
    expect(mended).toEqual({ done: [policy, lag], problem: undefined });
    expect(log.requests.slice(1)).toEqual([
      ['cleanup.policy'],
      ['min.compaction.lag.ms'],
      ['compression.type'],
    ]);
  });

  it('and of those that are refused the harmful ones are told, and no others', async () => {
    const log = cluster(['compression.type', 'cleanup.policy']);
    const { done, problem } = await putBack(log, 't', [harmless, policy, lag]);
    expect(done).toEqual([lag]);
    expect(problem).toMatchObject({ code: 'LOG_TOPIC_SETTINGS', details: { topic: 't' } });
    expect(problem?.message).toContain('cleanup.policy is delete, not compact (rows are removed)');
    expect(problem?.message).toContain('cleanup.policy may not be changed');
    expect(problem?.message).not.toContain('min.compaction.lag.ms');
  });

  it('a single one is not tried twice', async () => {
    const log = cluster(['cleanup.policy']);
    expect((await putBack(log, 't', [policy])).problem).toMatchObject({ code: 'LOG_TOPIC_SETTINGS' });
    expect(log.requests).toEqual([['cleanup.policy']]);
  });

  it('a log that does not answer has refused nothing', async () => {
    const log = cluster(['cleanup.policy'], 'LOG_UNREACHABLE');
    await expect(putBack(log, 't', [policy, lag])).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
    expect(log.requests).toHaveLength(1);
  });
});

it('setup puts back what it may beside what it may not', async () => {
  const log = cluster(['compression.type']);
  const settings = new Map([
    ['cleanup.policy', 'delete'],
    ['compression.type', 'gzip'],
  ]);
  const describeTopics = () => Promise.resolve(new Map([[catalogTopic('p'), { settings, replicas: 1 }]]));
  const context = {
    prefix: 'p',
    horizonDays: 14,
    upPartitions: 2,
    hasSchema: false,
    eventLog: { ...log, describeTopics, offsets: () => Promise.resolve({ first: 0, end: 1 }) },
  } as unknown as SetupContext;
  for (const todo of await topicTodos(context)) await todo.mend();
  expect(log.changed).toEqual(['cleanup.policy']);
});
