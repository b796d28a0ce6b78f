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
 *   the schemas topic lost anything     | see schemas-watch.ts
 *   the up topic is gone                | said: setup makes it, with as many partitions as it had
 *   it may not be looked at             | said once in the log: on many clusters only administrators may
 */
import { asPayflowError, PayflowError } from '../../shared/errors.ts';
import { sleep, type Health, type Service } from '../../shared/lifecycle.ts';
import type { EventLog, TopicDescription, TopicSpec } from '../../shared/log/event-log.ts';
import { differences, differenceText, type TopicDifference } from '../../shared/log/topic-settings.ts';
import {
  MAX_RECORD_BYTES,
  schemasTopic,
  topicSpecCatalog,
  topicSpecSchemas,
  topicSpecStore,
  topicSpecUp,
  upTopic,
} from '../../shared/log/topics.ts';
import { tablesIn } from '../seeding/wanted.ts';
import type { Routes } from '../routing/routes.ts';
import type { DownStreams } from './down-streams.ts';
import type { StreamLimits } from './stream-limits.ts';
import type { StreamWriter } from './stream-writer.ts';
import { SchemasWatch, type SchemasWatchOptions } from './schemas-watch.ts';
import { putBack } from './topic-mending.ts';
import type { TopicNotes } from './topic-notes.ts';

export interface TopicWatchOptions extends SchemasWatchOptions {
  readonly eventLog: Pick<EventLog, 'describeTopics' | 'changeTopic' | 'createTopic' | 'offsets'>;
  readonly streams: Pick<DownStreams, 'all'>;
  readonly limits: StreamLimits;
  readonly notes: Pick<TopicNotes, keyof TopicNotes>;
  readonly routes: () => Pick<Routes, 'scopes' | 'catalog'>;
  /** Tables of which rows travelled in this topic without columns, since this was asked last. */
  readonly takeOmitted: (topic: string) => readonly string[];
  readonly everyMs: number;
  readonly onHealth?: ((health: Health) => void) | undefined;
}

/** Missing for the first time may only mean a broker that has just started. */
const REPORTS_OF_GONE = 2;
/** Of thousands of streams, so many are looked at each time, in turn: some 500 KB of answers a minute. */
const STREAMS_AT_ONCE = 256;

export class TopicWatch implements Service {
  readonly name = 'topics';
  readonly #options: TopicWatchOptions;
  readonly #schemas: SchemasWatch;
  readonly #troubles = new Map<string, PayflowError>();
  /** How often in a row each was reported missing. */
  readonly #missing = new Map<string, number>();
  readonly #unseen = new Set<string>();
  /** Limited before this session began, so that nobody knows which tables it concerns. */
  #inherited: Set<string> | null = null;
  #turn = 0;

  constructor(options: TopicWatchOptions) {
    this.#options = options;
    this.#schemas = new SchemasWatch(options);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look(signal);
      await sleep(this.#options.everyMs, signal);
    }
  }

  async look(signal: AbortSignal): Promise<void> {
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
      await this.#lookAtSchemas(found.get(schemasTopic(this.#options.prefix)), signal);
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
  async #putBack(topic: string, others: readonly TopicDifference[]): Promise<PayflowError | undefined> {
    const { eventLog, log } = this.#options;
    const { done, problem } = await putBack(eventLog, topic, others);
    const text = done.map((one) => differenceText(one)).join('; ');
    if (done.length > 0) log.warn({ topic, settings: done }, `${topic}: ${text}; put back`);
    if (problem !== undefined && this.#troubles.get(topic)?.message !== problem.message)
      log.error({ code: problem.code, topic }, problem.message);
    return problem;
  }

  #unknown(topic: string, error: PayflowError): void {
    const { log } = this.#options;
    if (error.code === 'LOG_TOPIC_MISSING') {
      this.#missing.set(topic, (this.#missing.get(topic) ?? 0) + 1);
      if (!this.#isGone(topic)) return;
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

  #isGone(topic: string): boolean {
    return (this.#missing.get(topic) ?? 0) >= REPORTS_OF_GONE;
  }

  async #limit(writer: StreamWriter, found: TopicDescription | PayflowError | undefined): Promise<void> {
    const { limits, notes, log } = this.#options;
    const { topic } = writer.stream;
    const limit = limits.judged(topic, found);
    if (limit < writer.limitBytes) await notes.limit(topic, limit);
    const wasLimited = writer.limitBytes < MAX_RECORD_BYTES;
    const isInherited = this.#inherited?.has(topic) === true;
    // Before the seeding begins: its rows go by it.
    writer.limitBytes = limit;
    if (limit < MAX_RECORD_BYTES || !(wasLimited || isInherited)) return;
    const tables = this.#tablesOmitted(topic, isInherited);
    await notes.unlimit(topic, tables);
    this.#inherited?.delete(topic);
    if (tables.length > 0) log.warn({ topic, tables }, 'rows that travelled without columns are sent again');
  }

  #tablesOmitted(topic: string, isInherited: boolean): string[] {
    const { takeOmitted, routes } = this.#options;
    const omitted = new Set(takeOmitted(topic));
    return this.#tablesIn([topic]).filter((table) =>
      isInherited ? isLong(routes(), table) : omitted.has(table),
    );
  }

  /**
   * Compaction never moves a stream's first offset: somebody, or a retention, deleted what stood before it. Each
   * stream for itself: whoever dies, or hears nothing of the next one, has not forgotten this one.
   */
  async #beginnings(writers: readonly StreamWriter[]): Promise<void> {
    const { eventLog, notes, log } = this.#options;
    for (const writer of writers) {
      const { topic } = writer.stream;
      const { first } = await eventLog.offsets(writer.stream);
      if (first <= writer.firstOffset) continue;
      const tables = this.#tablesIn([topic]);
      log.error(
        { code: 'LOG_LOST_DATA', topic, tables },
        `records were deleted: ${topic} before ${first}; the tables are seeded again`,
      );
      await notes.lost({ topic, first, tables });
      // Only now: heartbeats store it, and a loss that is stored as seen is looked for no more.
      writer.firstOffset = first;
    }
  }

  async #lookAtSchemas(
    found: TopicDescription | PayflowError | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const topic = schemasTopic(this.#options.prefix);
    if (this.#isGone(topic)) await this.#schemas.makeAnew();
    else if (found instanceof PayflowError && found.code === 'LOG_TOPIC_MISSING') return;
    try {
      await this.#schemas.look(signal);
      this.#missing.delete(topic);
    } catch (thrown) {
      const error = asPayflowError(thrown);
      if (error.code !== 'LOG_TOPIC_MISSING') throw error;
      // Who may not see how it is kept hears so that it is not there.
      this.#unknown(topic, error);
    }
  }

  #tablesIn(topics: readonly string[]): string[] {
    const { prefix, routes } = this.#options;
    return tablesIn(topics, { prefix, scopes: routes().scopes });
  }
}

/** Whether a row of the table can be larger than any limit: only such columns leave the row's own page. */
function isLong(routes: Pick<Routes, 'catalog'>, table: string): boolean {
  return routes.catalog.get(table)?.columns.some(({ toastable }) => toastable) ?? false;
}
