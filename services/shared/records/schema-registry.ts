/**
 * The schemas topic as a map: fingerprint → compiled schema. Capture publishes, everyone reads. Read from its
 * beginning once, then only what was added.
 */
import { fingerprintHex } from './avro-fingerprint.ts';
import type { ChangeSchema } from './change-schema.ts';
import { compileSchema, type CompiledSchema, type SchemaSource } from './envelope.ts';
import { PayflowError } from '../errors.ts';
import type { AppendOptions, EventLog, StreamRef } from '../log/event-log.ts';
import { STREAM_ID_KEY } from '../log/event-log.ts';
import { schemasStream } from '../log/topics.ts';

export class SchemaRegistry implements SchemaSource {
  readonly #eventLog: EventLog;
  readonly #stream: StreamRef;
  readonly #schemas = new Map<bigint, CompiledSchema>();
  #nextOffset: number | null = null;
  #refreshing: Promise<void> | null = null;

  constructor(options: { eventLog: EventLog; prefix: string }) {
    this.#eventLog = options.eventLog;
    this.#stream = schemasStream(options.prefix);
  }

  /** All that were found or published so far. */
  get known(): readonly CompiledSchema[] {
    return [...this.#schemas.values()];
  }

  /** Reads what stands in the topic by now. */
  async load(): Promise<void> {
    await this.#refresh();
  }

  find(fingerprint: bigint): CompiledSchema | undefined {
    return this.#schemas.get(fingerprint);
  }

  async fetch(fingerprint: bigint): Promise<CompiledSchema> {
    const known = this.#schemas.get(fingerprint);
    if (known !== undefined) return known;
    await this.#refresh();
    const found = this.#schemas.get(fingerprint);
    if (found === undefined) {
      throw new PayflowError(
        'SCHEMA_UNKNOWN',
        `no schema ${fingerprintHex(fingerprint)} in the schemas topic`,
      );
    }
    return found;
  }

  /** Makes the schema known to every reader; durable when it resolves, so records may name it from then on. */
  async publish(schema: ChangeSchema, options: AppendOptions = {}): Promise<CompiledSchema> {
    const compiled = compileSchema(schema);
    if (!this.#schemas.has(compiled.fingerprint)) await this.#refresh();
    const known = this.#schemas.get(compiled.fingerprint);
    if (known !== undefined) return known;
    const key = Buffer.from(fingerprintHex(compiled.fingerprint));
    const value = Buffer.from(JSON.stringify(schema));
    await this.#eventLog.append(this.#stream, [{ key, value }], options);
    this.#schemas.set(compiled.fingerprint, compiled);
    return compiled;
  }

  /** Everything that is known here, for a topic that has lost it. @returns how many */
  async publishAgain(options: AppendOptions): Promise<number> {
    const records = [...this.#schemas.values()].map(({ fingerprint, schema }) => ({
      key: Buffer.from(fingerprintHex(fingerprint)),
      value: Buffer.from(JSON.stringify(schema)),
    }));
    if (records.length > 0) await this.#eventLog.append(this.#stream, records, options);
    // A topic that was made anew counts from its own beginning.
    this.#nextOffset = null;
    return records.length;
  }

  /** One at a time: a burst of records with a new schema asks once. */
  async #refresh(): Promise<void> {
    this.#refreshing ??= this.#readOn().finally(() => (this.#refreshing = null));
    await this.#refreshing;
  }

  async #readOn(): Promise<void> {
    const { first, end } = await this.#eventLog.offsets(this.#stream);
    let next = Math.max(first, this.#nextOffset ?? first);
    if (next >= end) return;
    const stop = new AbortController();
    try {
      for await (const batch of this.#eventLog.read(this.#stream, { from: next, signal: stop.signal })) {
        for (const record of batch) {
          next = record.offset + 1;
          if (record.value !== null && record.key?.toString('utf8') !== STREAM_ID_KEY)
            this.#add(record.value);
        }
        this.#nextOffset = next;
        if (next >= end) break;
      }
    } finally {
      stop.abort();
    }
  }

  #add(value: Buffer): void {
    const compiled = compileSchema(JSON.parse(value.toString('utf8')) as ChangeSchema);
    this.#schemas.set(compiled.fingerprint, compiled);
  }
}
