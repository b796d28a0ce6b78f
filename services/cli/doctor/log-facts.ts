/** What the event log says of our topics, for `doctor`. */
import type { EventLog } from '../../shared/log/event-log.ts';
import { PayflowError } from '../../shared/errors.ts';
import { catalogStream, catalogTopic, schemasTopic, storeTopic, upTopic } from '../../shared/log/topics.ts';

export interface TopicFacts {
  readonly topic: string;
  /** null: this login may not ask. */
  readonly replicas: number | null;
}

export interface LogFacts {
  readonly kind: EventLog['kind'];
  readonly answeredMs: number;
  /** When it was made (ms since 1970); null: not told. */
  readonly sinceMs: number | null;
  /** Those that are there. */
  readonly topics: readonly TopicFacts[];
  readonly missing: readonly string[];
}

export interface LogQuestion {
  readonly prefix: string;
  readonly stores: readonly string[];
  /** ms since 1970. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** What topics hold that should not be so is told by setup (settings) and by capture (what it has noted). */
export async function readLog(
  eventLog: EventLog,
  { prefix, stores, now, signal }: LogQuestion,
): Promise<LogFacts> {
  const names = [
    catalogTopic(prefix),
    upTopic(prefix),
    schemasTopic(prefix),
    ...stores.map((store) => storeTopic(prefix, store)),
  ];
  const askedMs = now();
  const described = await eventLog.describeTopics(names);
  const answeredMs = now() - askedMs;
  const topics = [...described].flatMap(([topic, found]): TopicFacts[] => {
    if (!(found instanceof PayflowError)) return [{ topic, replicas: found.replicas }];
    return found.code === 'LOG_TOPIC_MISSING' ? [] : [{ topic, replicas: null }];
  });
  const missing = [...described].flatMap(([topic, found]) =>
    found instanceof PayflowError && found.code === 'LOG_TOPIC_MISSING' ? [topic] : [],
  );
  const hasCatalog = topics.some(({ topic }) => topic === catalogTopic(prefix));
  const sinceMs = hasCatalog ? await madeAtMs(eventLog, { prefix, signal }) : null;
  return { kind: eventLog.kind, answeredMs, sinceMs, topics, missing };
}

/** Its first record is its id, which compaction keeps. */
async function madeAtMs(
  eventLog: EventLog,
  { prefix, signal }: Pick<LogQuestion, 'prefix' | 'signal'>,
): Promise<number | null> {
  const stream = catalogStream(prefix);
  const { first } = await eventLog.offsets(stream);
  const oldest = await eventLog.recordAt(stream, { offset: first, signal });
  return oldest.kind === 'there' ? oldest.record.timestampMs : null;
}
