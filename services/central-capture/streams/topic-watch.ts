/**
 * The log is watched, not believed: an administrator, or a policy, may change how topics are kept at any time. At
 * start and with each heartbeat the topics are compared with what they have to be (shared/log/topic-settings.ts).
 *
 *   what is found                       | what is done
 *   ------------------------------------+-------------------------------------------------------------------
 *   as it has to be                     | nothing
 *   a setting otherwise                 | put back; where that is refused and it does harm, said with
 *                                       | LOG_TOPIC_SETTINGS until it is right
 *   max.message.bytes below a row       | as well: rows travel by that limit, and once it is right again, tables
 *                                       | of which any did are seeded again
 *   a stream begins later than it did   | whoever reads it misses rows: its tables are seeded again (tills see it
 *                                       | by the same sign, and read it from its beginning)
 *   a down topic is gone                | the session ends; the next one makes it anew and seeds its tables
 *   the schemas topic is gone, or begins| made anew, and every schema that is known here is written again
 *   the up topic is gone                | said: setup makes it, with as many partitions as it had
 *   it may not be looked at             | said once in the log: on many clusters only administrators may
 */
import type { Logger } from 'pino';
import { asPayflowError, PayflowError } from '../../shared/errors.ts';
import { sleep, type Health, type Service } from '../../shared/lifecycle.ts';
import type { EventLog, TopicDescription, TopicSpec } from '../../shared/log/event-log.ts';
import { differences, differenceText } from '../../shared/log/topic-settings.ts';
import {
  MAX_RECORD_BYTES,
  schemasTopic,
  topicSpecCatalog,
  topicSpecSchemas,
  topicSpecStore,
  topicSpecUp,
  upTopic,
} from '../../shared/log/topics.ts';
import type { SchemaRegistry } from '../../shared/records/schema-registry.ts';
import { tablesIn } from '../seeding/wanted.ts';
import type { Routes } from '../routing/routes.ts';
import type { DownStreams } from './down-streams.ts';
import type { StreamLimits } from './stream-limits.ts';
import type { StreamWriter } from './stream-writer.ts';
import type { TopicNotes } from './topic-notes.ts';

export interface TopicWatchOptions {
  readonly eventLog: EventLog;
  readonly prefix: string;
  readonly streams: DownStreams;
  readonly schemas: SchemaRegistry;
  readonly limits: StreamLimits;
  readonly notes: TopicNotes;
  readonly routes: () => Routes;
  /** Tables of which rows travelled without columns since this was asked last. */
  readonly takeOmitted: () => readonly string[];
  readonly everyMs: number;
  readonly onHealth?: ((health: Health) => void) | undefined;
  readonly log: Logger;
}

/** Of thousands of streams, so many are looked at each time, in turn: some 500 KB of answers a minute. */
const STREAMS_AT_ONCE = 256;

export class TopicWatch implements Service {
  readonly name = 'topics';
  readonly #options: TopicWatchOptions;
  readonly #troubles = new Map<string, PayflowError>();
  /** Reported missing once: it may only be a broker that has just started. */
  readonly #missing = new Set<string>();
  readonly #unseen = new Set<string>();
  /** Limited before this session began, so that nobody knows which tables it concerns. */
  #inherited: ReadonlySet<string> | null = null;
  #firstOfSchemas: number | null = null;
  #turn = 0;

  constructor(options: TopicWatchOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await sleep(this.#options.everyMs, signal);
    }
  }

  async look(): Promise<void> {
    const { eventLog, streams, notes, log } = this.#options;
    this.#inherited ??= new Set(await notes.limited());
    const horizonDays = await notes.horizonDays();
    const writers = this.#inTurn(streams.all());
    const specs = [...this.#others(), ...writers.map((writer) => this.#specOf(writer, horizonDays))];
    try {
      const found = await eventLog.describeTopics(specs.map(({ topic }) => topic));
      for (const spec of specs) await this.#settings(spec, found.get(spec.topic));
      for (const writer of writers) await this.#limit(writer, found.get(writer.stream.topic));
      await this.#beginnings(writers);
      await this.#schemas(found.get(schemasTopic(this.#options.prefix)));
    } catch (thrown) {
      const error = asPayflowError(thrown);
      // The appends say so and wait; nothing can be seen meanwhile.
      if (error.code !== 'LOG_UNREACHABLE') throw error;
      log.debug({ code: error.code, err: error }, 'the topics could not be looked at');
      return;
    }
    await notes.tell(this.#troubles);
    this.#report();
  }

  #report(): void {
    const [error] = this.#troubles.values();
    this.#options.onHealth?.(error === undefined ? { state: 'ready' } : { state: 'unready', error });
  }

  #others(): TopicSpec[] {
    const { prefix } = this.#options;
    return [topicSpecUp(prefix), topicSpecSchemas(prefix)];
  }

  #specOf({ storeId }: StreamWriter, horizonDays: number): TopicSpec {
    const { prefix } = this.#options;
    return storeId === null
      ? topicSpecCatalog(prefix, horizonDays)
      : topicSpecStore(prefix, storeId, horizonDays);
  }

  #inTurn(writers: readonly StreamWriter[]): readonly StreamWriter[] {
    if (writers.length <= STREAMS_AT_ONCE) return writers;
    const from = this.#turn % writers.length;
    this.#turn = from + STREAMS_AT_ONCE;
    return [...writers, ...writers].slice(from, from + STREAMS_AT_ONCE);
  }

  async #settings(spec: TopicSpec, found: TopicDescription | PayflowError | undefined): Promise<void> {
    const { topic } = spec;
    if (found === undefined) return;
    if (!('settings' in found)) return this.#unknown(topic, found);
    this.#missing.delete(topic);
    const others = differences(spec, found);
    const problem = others.length === 0 ? undefined : await this.#putBack(topic, others);
    if (problem === undefined) this.#troubles.delete(topic);
    else this.#troubles.set(topic, problem);
  }

  /** @returns what has to be said, where it is refused and does harm */
  async #putBack(topic: string, others: ReturnType<typeof differences>): Promise<PayflowError | undefined> {
    const { eventLog, log } = this.#options;
    const text = others.map((one) => differenceText(one)).join('; ');
    try {
      await eventLog.changeTopic(topic, new Map(others.map(({ setting, wanted }) => [setting, wanted])));
      log.warn({ topic, settings: others }, `${topic}: ${text}; put back`);
      return undefined;
    } catch (thrown) {
      const cause = asPayflowError(thrown);
      if (cause.code === 'LOG_UNREACHABLE') throw cause;
      if (others.every(({ harm }) => harm === null)) return undefined;
      const message = `${topic}: ${text}. It was not allowed to put it back: ${cause.message}`;
      const error = new PayflowError('LOG_TOPIC_SETTINGS', message, { cause, details: { topic } });
      if (this.#troubles.get(topic)?.message !== message) log.error({ code: error.code, topic }, message);
      return error;
    }
  }

  #unknown(topic: string, error: PayflowError): void {
    const { log } = this.#options;
    if (error.code === 'LOG_TOPIC_MISSING') {
      if (!this.#missing.has(topic)) {
        this.#missing.add(topic);
        return;
      }
      if (topic === upTopic(this.#options.prefix)) this.#troubles.set(topic, error);
      else if (topic !== schemasTopic(this.#options.prefix)) throw error;
      return;
    }
    if (error.code === 'LOG_UNREACHABLE') throw error;
    if (this.#unseen.has(topic)) return;
    this.#unseen.add(topic);
    log.warn(
      { code: error.code, topic },
      `whether ${topic} is kept as it has to be can't be seen: ${error.message}`,
    );
  }

  async #limit(writer: StreamWriter, found: TopicDescription | PayflowError | undefined): Promise<void> {
    const { limits, notes, routes, takeOmitted, log } = this.#options;
    const { topic } = writer.stream;
    const limit = limits.judged(topic, found);
    if (limit < writer.limitBytes) await notes.limit(topic, limit);
    const isWhole = limit === MAX_RECORD_BYTES;
    const wasLimited = writer.limitBytes < MAX_RECORD_BYTES;
    const isInherited = this.#inherited?.has(topic) === true;
    // Before the seeding begins: its rows go by it.
    writer.limitBytes = limit;
    if (!isWhole || !(wasLimited || isInherited)) return;
    const omitted = new Set(takeOmitted());
    const tables = this.#tablesIn([topic]).filter((table) =>
      isInherited ? isLong(routes(), table) : omitted.has(table),
    );
    await notes.unlimit(topic, tables);
    this.#inherited = new Set([...(this.#inherited ?? [])].filter((name) => name !== topic));
    if (tables.length > 0) log.warn({ topic, tables }, 'rows that travelled without columns are sent again');
  }

  /** Compaction never moves a stream's first offset: somebody, or a retention, deleted what stood before it. */
  async #beginnings(writers: readonly StreamWriter[]): Promise<void> {
    const { eventLog, notes, log } = this.#options;
    const lost = new Map<string, number>();
    for (const writer of writers) {
      const { first } = await eventLog.offsets(writer.stream);
      if (first <= writer.firstOffset) continue;
      lost.set(writer.stream.topic, first);
      writer.firstOffset = first;
    }
    if (lost.size === 0) return;
    const tables = this.#tablesIn([...lost.keys()]);
    const topics = [...lost].map(([topic, first]) => `${topic} before ${first}`).join(', ');
    log.error(
      { code: 'LOG_LOST_DATA', topics, tables },
      `records were deleted: ${topics}; the tables are seeded again`,
    );
    await notes.lost(lost, tables);
  }

  async #schemas(found: TopicDescription | PayflowError | undefined): Promise<void> {
    const { eventLog, prefix, schemas, log } = this.#options;
    const topic = schemasTopic(prefix);
    const isGone = found !== undefined && !('settings' in found) && this.#missing.has(topic);
    if (found === undefined || !('settings' in found)) {
      if (!isGone || this.#firstOfSchemas === null) return;
      await eventLog.createTopic(topicSpecSchemas(prefix));
    }
    const { first } = await eventLog.offsets({ topic, partition: 0 });
    const isLost = isGone || (this.#firstOfSchemas !== null && first > this.#firstOfSchemas);
    this.#firstOfSchemas = first;
    if (!isLost) return;
    const count = await schemas.publishAgain();
    log.error(
      { code: 'LOG_LOST_DATA', topic, schemas: count },
      'the schemas topic lost records; they are written again',
    );
  }

  #tablesIn(topics: readonly string[]): string[] {
    const { prefix, routes } = this.#options;
    return tablesIn(topics, { prefix, scopes: routes().scopes });
  }
}

/** Whether a row of the table can be larger than any limit: only such columns leave the row's own page. */
function isLong(routes: Routes, table: string): boolean {
  return routes.catalog.get(table)?.columns.some(({ toastable }) => toastable) ?? false;
}
