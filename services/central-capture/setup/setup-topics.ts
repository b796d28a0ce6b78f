/** Topics that are missing, or kept otherwise than they have to be (shared/log/topic-settings.ts). */
import type { EventLog, TopicSpec } from '../../shared/log/event-log.ts';
import { differences, differenceText, type TopicDifference } from '../../shared/log/topic-settings.ts';
import { topicSpecCatalog, topicSpecSchemas, topicSpecStore, topicSpecUp } from '../../shared/log/topics.ts';
import { putBack } from '../streams/topic-mending.ts';
import type { SetupContext, Todo } from './setup-context.ts';
import { topicExists } from './topic-exists.ts';

export async function topicTodos(context: SetupContext): Promise<Todo[]> {
  const { client, prefix, horizonDays, upPartitions, hasSchema, eventLog } = context;
  const stores = hasSchema
    ? (await client.query<{ store_id: string }>('SELECT DISTINCT store_id FROM payflow_sync.terminal')).rows
    : [];
  const specs: TopicSpec[] = [
    topicSpecCatalog(prefix, horizonDays),
    topicSpecUp(prefix, upPartitions),
    topicSpecSchemas(prefix),
    ...stores.map((row) => topicSpecStore(prefix, row.store_id, horizonDays)),
  ];
  const exists = await Promise.all(specs.map((spec) => topicExists(eventLog, spec.topic)));
  const missing = specs.filter((_, index) => exists[index] !== true);
  const others = await settingTodos(
    eventLog,
    specs.filter((spec) => !missing.includes(spec)),
  );
  return [
    ...missing.map((spec) => ({
      what: `topic ${spec.topic}`,
      mend: async () => void (await eventLog.createTopic(spec)),
    })),
    ...others,
  ];
}

async function settingTodos(eventLog: EventLog, specs: readonly TopicSpec[]): Promise<Todo[]> {
  const found = await eventLog.describeTopics(specs.map(({ topic }) => topic));
  return specs.flatMap((spec) => {
    const known = found.get(spec.topic);
    // Who may not look at them leaves them to an administrator.
    if (known === undefined || !('settings' in known)) return [];
    const others = differences(spec, known);
    if (others.length === 0) return [];
    const text = others.map((one) => differenceText(one)).join('; ');
    return [
      { what: `settings of topic ${spec.topic}: ${text}`, mend: () => change(eventLog, spec.topic, others) },
    ];
  });
}

/** @throws PayflowError LOG_TOPIC_SETTINGS where it is refused and does harm */
async function change(eventLog: EventLog, topic: string, others: readonly TopicDifference[]): Promise<void> {
  const { problem } = await putBack(eventLog, topic, others);
  if (problem !== undefined) throw problem;
}
