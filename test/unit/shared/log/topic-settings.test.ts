/** The table of topic settings: what is a difference, and what comes of it. */
import { describe, expect, it } from 'vitest';
import {
  differences,
  recordLimit,
  TOPIC_SETTINGS,
  wantedSettings,
} from '../../../../services/shared/log/topic-settings.ts';
import { topicSpecSchemas, topicSpecStore, topicSpecUp } from '../../../../services/shared/log/topics.ts';

const DAY_MS = 86_400_000;
const STORE = topicSpecStore('p', '1', 14);
const UP = topicSpecUp('p', 4);

/** What is found of a topic that was made as it should be, but for these. */
function found(spec: typeof STORE, changed: Record<string, string | number>, replicas = 3) {
  const settings = new Map(wantedSettings(spec, replicas));
  for (const [name, value] of Object.entries(changed)) settings.set(name, String(value));
  return differences(spec, { settings, replicas });
}

describe('settings of topics', () => {
  it.each([STORE, UP, topicSpecSchemas('p')])('a topic as it was made differs in nothing: $topic', (spec) => {
    expect(found(spec, {})).toEqual([]);
    expect(found(spec, {}, 1)).toEqual([]);
  });

  it('a topic that was made before retention was set is right as it is', () => {
    expect(found(STORE, { 'retention.ms': 7 * DAY_MS })).toEqual([]);
    expect(found(STORE, { 'retention.bytes': 1_000_000 })).toEqual([]);
  });

  it.each([
    ['cleanup.policy', 'delete'],
    ['cleanup.policy', 'compact,delete'],
    ['min.compaction.lag.ms', 0],
    ['max.compaction.lag.ms', DAY_MS],
    ['delete.retention.ms', DAY_MS],
    ['max.message.bytes', 1_048_588],
    ['message.timestamp.type', 'CreateTime'],
    ['min.insync.replicas', 1],
    ['min.insync.replicas', 4],
    ['unclean.leader.election.enable', 'true'],
    ['compression.type', 'snappy'],
    ['compression.type', 'lz4'],
  ])('a state topic with %s = %s does harm, and is put back', (setting, value) => {
    const [one, ...others] = found(STORE, { [setting]: value });
    expect(one).toMatchObject({
      setting,
      found: String(value),
      wanted: wantedSettings(STORE, 3).get(setting),
      harm: expect.stringMatching(/./) as string,
    });
    expect(others).toEqual([]);
  });

  it('with deletion by age come its limits', () => {
    const all = found(STORE, { 'cleanup.policy': 'delete,compact', 'retention.ms': 1, 'retention.bytes': 2 });
    expect(all.map(({ setting, harm }) => [setting, harm !== null])).toEqual([
      ['cleanup.policy', true],
      ['retention.ms', true],
      ['retention.bytes', true],
    ]);
  });

  it.each([
    ['cleanup.policy', 'compact'],
    ['retention.ms', 34 * DAY_MS],
    ['retention.bytes', 1_000_000_000],
    ['max.message.bytes', 1_048_588],
  ])('the up topic with %s = %s does harm', (setting, value) => {
    expect(found(UP, { [setting]: value })).toMatchObject([
      { setting, harm: expect.stringMatching(/./) as string },
    ]);
  });

  it.each([
    ['retention.ms', 40 * DAY_MS],
    ['retention.ms', -1],
    ['max.message.bytes', 100_000_000],
    ['min.insync.replicas', 3],
  ])('more than is asked for may stay: %s = %s', (setting, value) => {
    expect(found(UP, { [setting]: value })).toEqual([]);
  });

  it.each([
    ['min.compaction.lag.ms', 30 * DAY_MS],
    ['delete.retention.ms', 31 * DAY_MS],
    ['compression.type', 'gzip'],
  ])(
    'a longer horizon, or a broker that compresses, is put back without alarm: %s = %s',
    (setting, value) => {
      expect(found(STORE, { [setting]: value })).toMatchObject([{ setting, harm: null }]);
    },
  );

  it('a single replica needs no more than itself', () => {
    expect(found(STORE, { 'min.insync.replicas': 2 }, 1)).toMatchObject([
      { setting: 'min.insync.replicas', wanted: '1', harm: 'nothing can be written' },
    ]);
    expect(found(STORE, { 'unclean.leader.election.enable': 'true' }, 1)).toMatchObject([{ harm: null }]);
  });

  it('what the log does not tell is taken as right', () => {
    expect(differences(STORE, { settings: new Map(), replicas: 1 })).toEqual([]);
  });

  it('numbers are compared as such, also beyond 2^53', () => {
    expect(found(STORE, { 'max.compaction.lag.ms': '9223372036854775806' })).toEqual([]);
    expect(found(STORE, { 'min.compaction.lag.ms': '999' })).toMatchObject([
      { harm: expect.stringMatching(/./) as string },
    ]);
  });

  it('every setting is looked at in some topic', () => {
    const known = [STORE, UP].flatMap((spec) => [...wantedSettings(spec, 1).keys()]);
    expect(new Set(known)).toEqual(new Set(TOPIC_SETTINGS));
  });

  it('the largest record is what fits into the largest batch, and never more than 16 MB', () => {
    expect(recordLimit(new Map([['max.message.bytes', '1048588']]))).toBe(1_047_564);
    expect(recordLimit(new Map([['max.message.bytes', '100000000']]))).toBe(16_777_216);
    expect(recordLimit(new Map())).toBe(16_777_216);
    expect(recordLimit(new Map([['max.message.bytes', '10']]))).toBe(1);
  });
});
