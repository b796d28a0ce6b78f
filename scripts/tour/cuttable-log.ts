/**
 * The event log as a till sees it over a network that can be cut. Cut off, it behaves as the port says of a log
 * that does not answer: appends wait, readers get nothing, questions fail with LOG_UNREACHABLE. What the till's
 * agent does then is the agent's own doing.
 */
import { PayflowError } from '../../services/shared/errors.ts';
import { sleep } from '../../services/shared/lifecycle.ts';
import type {
  AppendOptions,
  EventLog,
  Looked,
  LookOptions,
  LogRecord,
  ReadOptions,
  StoredRecord,
  StreamRef,
  TopicSpec,
} from '../../services/shared/log/event-log.ts';

type OnTrouble = ((error: PayflowError) => void) | undefined;

const REPORT_EVERY_MS = 1000;

export class CuttableLog implements EventLog {
  readonly kind: EventLog['kind'];
  readonly #inner: EventLog;
  /** Aborted at the next cut; null while cut off. */
  #connected: AbortController | null = new AbortController();
  #mended = new AbortController();

  constructor(inner: EventLog) {
    this.#inner = inner;
    this.kind = inner.kind;
  }

  cut(): void {
    const connected = this.#connected;
    this.#connected = null;
    connected?.abort();
  }

  mend(): void {
    if (this.#connected !== null) return;
    this.#connected = new AbortController();
    this.#mended.abort();
    this.#mended = new AbortController();
  }

  async createTopic(spec: TopicSpec): Promise<'created' | 'exists'> {
    this.#requireConnection();
    return this.#inner.createTopic(spec);
  }

  async describeTopics(topics: readonly string[]): ReturnType<EventLog['describeTopics']> {
    this.#requireConnection();
    return this.#inner.describeTopics(topics);
  }

  async changeTopic(topic: string, settings: ReadonlyMap<string, string>): Promise<void> {
    this.#requireConnection();
    return this.#inner.changeTopic(topic, settings);
  }

  async append(
    stream: StreamRef,
    records: readonly LogRecord[],
    options: AppendOptions = {},
  ): Promise<{ baseOffset: number }> {
    const connected = await this.#whenConnected(options.signal, options.onTrouble);
    if (connected === null) throw unreachable();
    return this.#inner.append(stream, records, options);
  }

  async *read(
    stream: StreamRef,
    options: ReadOptions & { onTrouble?: (error: PayflowError) => void },
  ): AsyncIterable<readonly StoredRecord[]> {
    const { signal, onTrouble } = options;
    let { from } = options;
    while (!signal.aborted) {
      const connected = await this.#whenConnected(signal, onTrouble);
      if (connected === null) return;
      const batches = this.#inner.read(stream, {
        ...options,
        from,
        signal: AbortSignal.any([signal, connected]),
      });
      for await (const batch of batches) {
        if (connected.aborted) break;
        from = (batch.at(-1)?.offset ?? from - 1) + 1;
        yield batch;
        if (connected.aborted) break;
      }
    }
  }

  async offsets(stream: StreamRef): Promise<{ first: number; end: number }> {
    this.#requireConnection();
    return this.#inner.offsets(stream);
  }

  async recordAt(stream: StreamRef, options: LookOptions): Promise<Looked> {
    if (this.#connected === null) return { kind: 'unknown', error: unreachable() };
    return this.#inner.recordAt(stream, options);
  }

  async streamId(stream: StreamRef): Promise<string | undefined> {
    this.#requireConnection();
    return this.#inner.streamId(stream);
  }

  /** The log itself belongs to whoever opened it. */
  async close(): Promise<void> {
    this.cut();
  }

  #requireConnection(): void {
    if (this.#connected === null) throw unreachable();
  }

  /** @returns the signal of the next cut; null when `signal` was aborted first */
  async #whenConnected(signal: AbortSignal | undefined, onTrouble: OnTrouble): Promise<AbortSignal | null> {
    while (signal?.aborted !== true) {
      if (this.#connected !== null) return this.#connected.signal;
      onTrouble?.(unreachable());
      const mended = this.#mended.signal;
      await sleep(REPORT_EVERY_MS, signal === undefined ? mended : AbortSignal.any([signal, mended]));
    }
    return null;
  }
}

function unreachable(): PayflowError {
  return new PayflowError('LOG_UNREACHABLE', 'this till is cut off from the event log');
}
