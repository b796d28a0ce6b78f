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
  readonly topics: readonly TopicFacts[];
}

/** What topics hold that should not be so is told by setup (settings) and by capture (what it has noted). */
export async function readLog(
  eventLog: EventLog,
  { prefix, stores, now }: { prefix: string; stores: readonly string[]; now: () => number },
): Promise<LogFacts> {
  const askedMs = now();
  await eventLog.offsets(catalogStream(prefix));
  const answeredMs = now() - askedMs;
  const names = [
    catalogTopic(prefix),
    upTopic(prefix),
    schemasTopic(prefix),
    ...stores.map((store) => storeTopic(prefix, store)),
  ];
  const described = await eventLog.describeTopics(names);
  const topics = [...described].flatMap(([topic, found]): TopicFacts[] => {
    if (!(found instanceof PayflowError)) return [{ topic, replicas: found.replicas }];
    // One that is missing is what setup says.
    return found.code === 'LOG_TOPIC_MISSING' ? [] : [{ topic, replicas: null }];
  });
  return { kind: eventLog.kind, answeredMs, topics };
}
