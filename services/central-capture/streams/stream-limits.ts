/**
 * How large a record each stream takes. Usually 16 MB, but somebody may lower it at any time; then rows that are
 * larger travel without their largest columns, instead of stopping all others. Outlives the sessions: who may not ask
 * a topic for its limit learns it from what is refused, and a refusal ends the session, since what was read from the
 * WAL is encoded by then.
 */
import { asPayflowError, PayflowError } from '../../shared/errors.ts';
import type { EventLog, TopicDescription } from '../../shared/log/event-log.ts';
import { recordLimit } from '../../shared/log/topic-settings.ts';
import { MAX_RECORD_BYTES } from '../../shared/log/topics.ts';

interface Learned {
  readonly bytes: number;
  readonly untilMs: number;
}

/** A limit below what the topic says, or that nobody may ask for, is tried again then. */
const LEARNED_FOR_MS = 10 * 60_000;
/** Room for key, headers and the log's own framing; of a small limit a sixteenth, but for the key 4 KB. */
const USUAL_ROOM_BYTES = 64 * 1024;
const LEAST_ROOM_BYTES = 4 * 1024;
const SMALLEST_VALUE_BYTES = 512;

export class StreamLimits {
  readonly #eventLog: EventLog;
  readonly #now: () => number;
  readonly #learned = new Map<string, Learned>();

  constructor(eventLog: EventLog, now: () => number = Date.now) {
    this.#eventLog = eventLog;
    this.#now = now;
  }

  async of(topic: string): Promise<number> {
    return this.judged(topic, (await this.#eventLog.describeTopics([topic])).get(topic));
  }

  /** @param found what the log says of the topic */
  judged(topic: string, found: TopicDescription | PayflowError | undefined): number {
    const asked = found !== undefined && 'settings' in found ? recordLimit(found.settings) : MAX_RECORD_BYTES;
    const learned = this.#learned.get(topic);
    if (learned === undefined || learned.untilMs <= this.#now()) return asked;
    return Math.min(asked, learned.bytes);
  }

  /** @returns the error as that of a session that may begin again, where it is a record that was refused */
  learn(thrown: unknown): PayflowError {
    const error = asPayflowError(thrown);
    const { topic, limit, isTold } = error.details;
    if (error.code !== 'LOG_RECORD_TOO_LARGE' || typeof topic !== 'string' || typeof limit !== 'number') {
      return error;
    }
    const untilMs = this.#now() + LEARNED_FOR_MS;
    // What the topic tells, it tells the next session too.
    if (isTold === false) this.#learned.set(topic, { bytes: Math.max(1, limit), untilMs });
    return new PayflowError('LOG_LIMIT_LOWERED', error.message, { cause: error, details: error.details });
  }
}

/** The largest value that fits into a record of so many bytes. */
export function largestValue(limitBytes: number): number {
  const room = Math.min(USUAL_ROOM_BYTES, Math.max(LEAST_ROOM_BYTES, Math.floor(limitBytes / 16)));
  return Math.max(SMALLEST_VALUE_BYTES, limitBytes - room);
}
