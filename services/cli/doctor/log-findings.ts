/** What the facts about the event log mean. Pure. */
import { coded, ok, warning, type Finding } from './finding.ts';
import type { LogFacts } from './log-facts.ts';

/** One may be down for maintenance, and another one fail: two in sync are needed for an append. */
const SAFE_REPLICAS = 3;

export function logFindings({ kind, answeredMs, topics, missing }: LogFacts): Finding[] {
  const answers = `answers in ${Math.ceil(answeredMs)} ms`;
  const gone =
    missing.length === 0
      ? []
      : [coded('log', 'error', { code: 'LOG_TOPIC_MISSING', message: `not there: ${namesOf(missing)}` })];
  if (kind === 'embedded') return [ok('log', `the embedded log ${answers}`), ...gone];
  const found = [ok('log', `Kafka ${answers}, ${topics.length} topics`), ...gone];
  const thin = topics.filter(({ replicas }) => replicas !== null && replicas < SAFE_REPLICAS);
  if (thin.length > 0) {
    const least = Math.min(...thin.map(({ replicas }) => replicas ?? SAFE_REPLICAS));
    const remedy = 'Three brokers, and a replication factor of 3 (kafka-reassign-partitions).';
    found.push(
      warning(
        'log',
        `${namesOf(thin.map(({ topic }) => topic))} stand on ${least} of 3 brokers: one that fails may lose sales`,
        remedy,
      ),
    );
  }
  const dark = topics.filter(({ replicas }) => replicas === null);
  if (dark.length > 0) {
    const remedy = 'Give this login DESCRIBE_CONFIGS on them to have their settings looked at.';
    found.push(
      warning(
        'log',
        `how ${namesOf(dark.map(({ topic }) => topic))} are kept is not told to this login`,
        remedy,
      ),
    );
  }
  return found;
}

const NAMED = 3;

function namesOf(topics: readonly string[]): string {
  const named = topics.slice(0, NAMED);
  const more = topics.length - named.length;
  return more === 0 ? named.join(', ') : `${named.join(', ')} and ${more} more`;
}
