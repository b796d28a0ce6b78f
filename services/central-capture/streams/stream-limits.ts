/**
 * How large a record each stream takes. Usually 16 MB, but somebody may lower it at any time; then rows that are
 * larger travel without their largest columns, instead of stopping all others. Outlives the sessions: who may not ask
 * a topic for its limit learns it from what is refused, and a refusal ends the session, since what was read from the
 * WAL is encoded by then.
 *
 *   learned from a refusal      | the topic says             | limit
 *   ----------------------------+----------------------------+------------------------------------------------------
 *   nothing                     | its limit                  | that
 *   nothing                     | nothing: may not be asked  | as it said last; where it never did, the usual
 *   a limit                     | the same as then, nothing  | the smaller
 *   a limit                     | otherwise than then        | that: it is newer than the refusal, which is forgotten
 *
 * No pause makes a refusal forgotten: each such trial would seed whole tables again only to be refused. Where no topic
 * says anything the usual limit is tried again by the next capture that starts, once.
 */
import { asPayflowError, PayflowError } from '../../shared/errors.ts';
import type { EventLog, TopicDescription } from '../../shared/log/event-log.ts';
import { recordLimit } from '../../shared/log/topic-settings.ts';
import { MAX_RECORD_BYTES } from '../../shared/log/topics.ts';

interface Learned {
  readonly bytes: number;
  /** What the topic had said by then. */
  readonly said: number | undefined;
}

/** Room for key, headers and the log's own framing; of a small limit a sixteenth, but for the key 4 KB. */
const USUAL_ROOM_BYTES = 64 * 1024;
const LEAST_ROOM_BYTES = 4 * 1024;
const SMALLEST_VALUE_BYTES = 512;

export class StreamLimits {
  readonly #eventLog: Pick<EventLog, 'describeTopics'>;
  readonly #learned = new Map<string, Learned>();
  /** As each topic said it last. */
  readonly #said = new Map<string, number>();

  constructor(eventLog: Pick<EventLog, 'describeTopics'>) {
    this.#eventLog = eventLog;
  }

  async of(topic: string): Promise<number> {
    return this.judged(topic, (await this.#eventLog.describeTopics([topic])).get(topic));
  }

  /** @param found what the log says of the topic */
  judged(topic: string, found: TopicDescription | PayflowError | undefined): number {
    if (found !== undefined && 'settings' in found) this.#hear(topic, recordLimit(found.settings));
    const said = this.#said.get(topic) ?? MAX_RECORD_BYTES;
    return Math.min(said, this.#learned.get(topic)?.bytes ?? MAX_RECORD_BYTES);
  }

  #hear(topic: string, said: number): void {
    const learned = this.#learned.get(topic);
    if (learned !== undefined && learned.said !== said) this.#learned.delete(topic);
    this.#said.set(topic, said);
  }

  /** @returns the error as that of a session that may begin again, where it is a record that was refused */
  learn(thrown: unknown): PayflowError {
    const error = asPayflowError(thrown);
    const { topic, limit, isTold } = error.details;
    if (error.code !== 'LOG_RECORD_TOO_LARGE' || typeof topic !== 'string' || typeof limit !== 'number') {
      return error;
    }
    // What the topic tells, it tells the next session too.
    if (isTold === false) {
      this.#learned.set(topic, { bytes: Math.max(1, limit), said: this.#said.get(topic) });
    }
    return new PayflowError('LOG_LIMIT_LOWERED', error.message, { cause: error, details: error.details });
  }
}

/** The largest value that fits into a record of so many bytes. */
export function largestValue(limitBytes: number): number {
  const room = Math.min(USUAL_ROOM_BYTES, Math.max(LEAST_ROOM_BYTES, Math.floor(limitBytes / 16)));
  return Math.max(SMALLEST_VALUE_BYTES, limitBytes - room);
}
