/**
 * The schemas topic is watched: every record names a schema that has to stand there, and whoever does not find it
 * waits at that record. The centre notes all that ever stood there (payflow_sync.schema), so that nothing of it is
 * lost with the topic, whoever was away when it was.
 *
 *   what is found                                | what is done
 *   ---------------------------------------------+----------------------------------------------------------------
 *   a schema that the centre has not noted       | it is noted
 *   the session begins                           | what the centre has noted and the topic lacks is written again
 *   it begins later than at the last look, or    | all schemas are written again
 *   ends earlier: it was made anew               |
 *   missing, once                                | nothing: it may be a broker that has just started
 *   missing, twice                               | it is made anew, and all schemas are written again
 *
 * Nothing of this counts as done before all of it is.
 */
import type { Logger } from 'pino';
import type { EventLog } from '../../shared/log/event-log.ts';
import { schemasStream, topicSpecSchemas } from '../../shared/log/topics.ts';
import type { SchemaRegistry } from '../../shared/records/schema-registry.ts';
import type { TopicNotes } from './topic-notes.ts';

export interface SchemasWatchOptions {
  readonly eventLog: Pick<EventLog, 'createTopic' | 'offsets'>;
  readonly prefix: string;
  readonly schemas: Pick<SchemaRegistry, 'load' | 'known' | 'publish' | 'publishAgain'>;
  readonly notes: Pick<TopicNotes, 'schemas' | 'noteSchemas'>;
  readonly log: Logger;
}

export class SchemasWatch {
  readonly #options: SchemasWatchOptions;
  readonly #noted = new Set<bigint>();
  /** Where it began and ended; null: not looked at in this session. */
  #known: { readonly first: number; readonly end: number } | null = null;
  /** What it held is to be written again. */
  #isLost = false;

  constructor(options: SchemasWatchOptions) {
    this.#options = options;
  }

  /** It is not there. */
  async makeAnew(): Promise<void> {
    const { eventLog, prefix } = this.#options;
    this.#isLost = true;
    await eventLog.createTopic(topicSpecSchemas(prefix));
  }

  async look(signal: AbortSignal): Promise<void> {
    const { eventLog, prefix, schemas } = this.#options;
    const found = await eventLog.offsets(schemasStream(prefix));
    if (this.#known === null) await this.#restore(signal);
    else if (found.first > this.#known.first || found.end < this.#known.end) this.#isLost = true;
    if (this.#isLost) this.#tell(await schemas.publishAgain({ signal }));
    await this.#note();
    this.#known = found;
    this.#isLost = false;
  }

  async #restore(signal: AbortSignal): Promise<void> {
    const { schemas, notes } = this.#options;
    await schemas.load();
    const before = schemas.known.length;
    for (const schema of await notes.schemas()) {
      const { fingerprint } = await schemas.publish(schema, { signal });
      this.#noted.add(fingerprint);
    }
    const count = schemas.known.length - before;
    if (count > 0) this.#tell(count);
  }

  async #note(): Promise<void> {
    const { schemas, notes } = this.#options;
    const unknown = schemas.known.filter(({ fingerprint }) => !this.#noted.has(fingerprint));
    if (unknown.length === 0) return;
    await notes.noteSchemas(unknown);
    for (const { fingerprint } of unknown) this.#noted.add(fingerprint);
  }

  #tell(schemas: number): void {
    const { log, prefix } = this.#options;
    const { topic } = schemasStream(prefix);
    const text = `the schemas topic lost records; ${schemas} are written again`;
    log.error({ code: 'LOG_LOST_DATA', topic, schemas }, text);
  }
}
