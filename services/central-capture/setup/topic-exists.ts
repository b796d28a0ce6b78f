/** Whether a topic is there: a broker that does not know it yet has not said that it is not. */
import { PayflowError } from '../../shared/errors.ts';
import { sleep } from '../../shared/lifecycle.ts';
import type { EventLog } from '../../shared/log/event-log.ts';

/** A missing topic may be a broker that is starting, so the log first calls it unreachable for some seconds. */
const MISSING_DEADLINE_MS = 10_000;
const MISSING_RETRY_MS = 250;

export async function topicExists(eventLog: EventLog, topic: string): Promise<boolean> {
  const deadline = Date.now() + MISSING_DEADLINE_MS;
  for (;;) {
    try {
      await eventLog.offsets({ topic, partition: 0 });
      return true;
    } catch (error) {
      if (!(error instanceof PayflowError)) throw error;
      if (error.code === 'LOG_TOPIC_MISSING') return false;
      const maybeMissing = error.code === 'LOG_UNREACHABLE' && error.details['topic'] === topic;
      if (!maybeMissing || Date.now() > deadline) throw error;
      await sleep(MISSING_RETRY_MS);
    }
  }
}
