/** An event log of which some methods behave otherwise. */
import type { EventLog } from '../../services/shared/log/event-log.ts';

export function wrappedLog(log: EventLog, changed: Partial<EventLog>): EventLog {
  return {
    kind: log.kind,
    createTopic: (spec) => log.createTopic(spec),
    append: (stream, records, options) => log.append(stream, records, options),
    read: (stream, options) => log.read(stream, options),
    describeTopics: (topics) => log.describeTopics(topics),
    changeTopic: (topic, settings) => log.changeTopic(topic, settings),
    offsets: (stream) => log.offsets(stream),
    recordAt: (stream, options) => log.recordAt(stream, options),
    streamId: (stream) => log.streamId(stream),
    close: () => log.close(),
    ...changed,
  };
}

/** Answers no reader while it is held. */
export function heldLog(log: EventLog, isHeld: () => boolean): EventLog {
  return wrappedLog(log, {
    async *read(stream, options) {
      for await (const batch of log.read(stream, options)) {
        const { signal } = options;
        if (isHeld() && !signal.aborted) {
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
        }
        if (!signal.aborted) yield batch;
      }
    },
  });
}
