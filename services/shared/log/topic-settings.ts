/**
 * How topics are to be kept, and what it means when one is kept otherwise. Pure; one table for making a topic and
 * for looking at it later. The names are Kafka's; a log that has only some of them tells only those.
 *
 *   setting                        | state topic (compact)   | up (delete)      | harm when it is otherwise
 *   -------------------------------+-------------------------+------------------+------------------------------------
 *   cleanup.policy                 | compact                 | delete           | rows are deleted by age; units lost
 *   retention.ms, retention.bytes  | -1 (policy has delete)  | 35 days, -1      | rows or units deleted too early
 *   min.compaction.lag.ms          | horizon                 | –                | shorter: transactions are torn
 *   max.compaction.lag.ms          | the lag at least        | –                | shorter: the lag can't be set
 *   delete.retention.ms            | horizon + 1 day         | –                | shorter: tills miss deletes
 *   max.message.bytes              | 16 MB at least          | 16 MB at least   | large rows travel without columns
 *   message.timestamp.type         | LogAppendTime           | LogAppendTime    | ages follow a writer's clock
 *   min.insync.replicas            | 2 of several, else 1    | the same         | less: loss; more than there are:
 *                                  |                         |                  | nothing can be written
 *   unclean.leader.election.enable | false                   | false            | several replicas: loss
 *   compression.type               | producer                | producer         | snappy, lz4: nobody can read
 *
 * A difference without harm (kept for longer than asked, say) is put back where that is allowed, and passed over in
 * silence where it is not. What was lost meanwhile no setting tells: that is seen by the stream's first offset,
 * which compaction never moves.
 */
import type { TopicSpec } from './event-log.ts';
import { MAX_RECORD_BYTES } from './topics.ts';

export interface TopicDifference {
  readonly setting: string;
  readonly found: string;
  readonly wanted: string;
  /** What comes of it, in words; null where nothing does. */
  readonly harm: string | null;
}

interface Facts {
  readonly spec: TopicSpec;
  readonly replicas: number;
  readonly settings: ReadonlyMap<string, string>;
}

interface Rule {
  readonly setting: string;
  /** undefined: a topic of this kind has none. */
  readonly wanted: (spec: TopicSpec, replicas: number) => string | undefined;
  /** Is asked only where found and wanted differ. undefined: it may stay. */
  readonly judge: (
    found: string,
    wanted: string,
    facts: Facts,
  ) => { readonly harm: string | null } | undefined;
}

/** A batch header and what each record and header adds to its content, generously. */
export const BATCH_OVERHEAD_BYTES = 1024;
const FOR_EVER = '-1';
const NO_LIMIT_MS = '9223372036854775807';
/** Batches that a reader of ours can unpack. */
const READABLE: ReadonlySet<string> = new Set(['producer', 'uncompressed', 'gzip', 'zstd']);
const HARMLESS = { harm: null };
const harm = (text: string) => ({ harm: text });

const RULES: readonly Rule[] = [
  {
    setting: 'cleanup.policy',
    wanted: ({ cleanup }) => cleanup,
    judge: (_found, _wanted, { spec }) =>
      spec.cleanup === 'compact'
        ? harm('rows that tills need are removed by age')
        : harm('units of one till remove each other'),
  },
  {
    setting: 'retention.ms',
    wanted: ({ cleanup, retentionMs }) =>
      cleanup === 'compact' ? FOR_EVER : retentionMs === undefined ? undefined : String(retentionMs),
    judge: (found, wanted, facts) => judgeRetention(found, wanted, facts),
  },
  {
    setting: 'retention.bytes',
    wanted: () => FOR_EVER,
    judge: (found, wanted, facts) => judgeRetention(found, wanted, facts),
  },
  {
    setting: 'max.compaction.lag.ms',
    wanted: ({ cleanup }) => (cleanup === 'compact' ? NO_LIMIT_MS : undefined),
    judge: (found, _wanted, { spec }) =>
      isLess(found, String(spec.minCompactionLagMs ?? 0))
        ? harm('min.compaction.lag.ms may not be set as it has to be')
        : undefined,
  },
  {
    setting: 'min.compaction.lag.ms',
    wanted: ({ minCompactionLagMs: ms }) => (ms === undefined ? undefined : String(ms)),
    judge: (found, wanted) =>
      isLess(found, wanted) ? harm('tills that were away see parts of transactions') : HARMLESS,
  },
  {
    setting: 'delete.retention.ms',
    wanted: ({ deleteRetentionMs: ms }) => (ms === undefined ? undefined : String(ms)),
    judge: (found, wanted) => (isLess(found, wanted) ? harm('tills that were away miss deletes') : HARMLESS),
  },
  {
    setting: 'max.message.bytes',
    wanted: ({ maxRecordBytes = MAX_RECORD_BYTES }) => String(maxRecordBytes + BATCH_OVERHEAD_BYTES),
    judge: (found, wanted, { spec }) => {
      if (!isLess(found, wanted)) return undefined;
      return spec.cleanup === 'compact'
        ? harm('rows that are larger travel without their largest columns')
        : harm('sales that are larger wait on their till');
    },
  },
  {
    setting: 'message.timestamp.type',
    // The broker's: a till's clock may be years off, and retention and the compaction lag count from them.
    wanted: () => 'LogAppendTime',
    judge: () => harm('ages follow the clock of whoever writes'),
  },
  {
    setting: 'min.insync.replicas',
    wanted: (_spec, replicas) => String(Math.min(2, replicas)),
    judge: (found, wanted, { replicas }) => {
      if (isLess(found, wanted)) return harm('what was promised is lost with one broker');
      return isLess(String(replicas), found) ? harm('nothing can be written') : undefined;
    },
  },
  {
    setting: 'unclean.leader.election.enable',
    wanted: () => 'false',
    judge: (_found, _wanted, { replicas }) =>
      replicas > 1 ? harm('what was promised is lost in an election') : HARMLESS,
  },
  {
    setting: 'compression.type',
    wanted: () => 'producer',
    judge: (found) => (READABLE.has(found) ? HARMLESS : harm('no reader understands what is written')),
  },
];

export const TOPIC_SETTINGS: readonly string[] = RULES.map(({ setting }) => setting);

/** Every setting that a topic of this kind is made with. */
export function wantedSettings(spec: TopicSpec, replicas: number): Map<string, string> {
  const wanted = new Map<string, string>();
  for (const rule of RULES) {
    const value = rule.wanted(spec, replicas);
    if (value !== undefined) wanted.set(rule.setting, value);
  }
  return wanted;
}

/** Pure: where the topic is kept otherwise than it has to be. What the log does not tell is taken as right. */
export function differences(
  spec: TopicSpec,
  found: { readonly settings: ReadonlyMap<string, string>; readonly replicas: number },
): TopicDifference[] {
  const facts: Facts = { spec, ...found };
  return RULES.flatMap((rule) => {
    const value = found.settings.get(rule.setting);
    const wanted = rule.wanted(spec, found.replicas);
    if (value === undefined || wanted === undefined || value === wanted) return [];
    const verdict = rule.judge(value, wanted, facts);
    return verdict === undefined ? [] : [{ setting: rule.setting, found: value, wanted, ...verdict }];
  });
}

/** The largest record that a topic takes which is kept so. */
export function recordLimit(settings: ReadonlyMap<string, string>): number {
  const bytes = Number(settings.get('max.message.bytes') ?? MAX_RECORD_BYTES + BATCH_OVERHEAD_BYTES);
  return Math.max(1, Math.min(MAX_RECORD_BYTES, bytes - BATCH_OVERHEAD_BYTES));
}

/** `retention.ms from 60000 to -1 (rows that tills need are removed by age)` */
export function differenceText({ setting, found, wanted, harm: what }: TopicDifference): string {
  return `${setting} is ${found}, not ${wanted}${what === null ? '' : ` (${what})`}`;
}

/** Of a topic that is only compacted nothing is deleted by age or size, whatever these say. */
function judgeRetention(found: string, wanted: string, { spec, settings }: Facts) {
  const deletes = (settings.get('cleanup.policy') ?? spec.cleanup).includes('delete');
  if (!deletes || !isLess(found, wanted)) return undefined;
  return spec.cleanup === 'compact'
    ? harm('rows that tills need are removed')
    : harm('sales may be removed before they are applied');
}

/** -1 is without limit. Kept as whole numbers: some pass 2^53. */
function isLess(found: string, wanted: string): boolean {
  if (!/^-?\d+$/.test(found) || !/^-?\d+$/.test(wanted)) return false;
  if (found === FOR_EVER) return false;
  return wanted === FOR_EVER || BigInt(found) < BigInt(wanted);
}
