/** What adapters give the suite, and the small tools its parts share. */
import { randomUUID } from 'node:crypto';
import { until } from '../../../../scripts/support/until.ts';
import type {
  EventLog,
  StoredRecord,
  StreamRef,
  TopicSpec,
} from '../../../../services/shared/log/event-log.ts';

export interface FaultyLog {
  readonly log: EventLog;
  /** How many faults have struck so far. */
  strikes(): number;
  stop(): Promise<void>;
}

export interface LogUnderTest {
  /** Another client of the same log, as another process would have. */
  open(options?: { onFetched?: (bytes: number) => void }): EventLog;
  /** A client whose appends fail now and then, before and after they are durable. */
  openFaulty(random: () => number): Promise<FaultyLog>;
  /** Settings that let compaction happen within a test, where the engine needs some. */
  prepareCompaction(topic: string): Promise<void>;
  /** Asks for compaction now; may do it later. */
  compact(topic: string): Promise<void>;
  /** Removes all records, as retention would. */
  expireAll(stream: StreamRef): Promise<void>;
  /** Arguments of test/support/log-writer.ts before the topic. */
  readonly writerArguments: readonly string[];
  stop(): Promise<void>;
}

/** Filled before the first test of a part runs. */
export class Conformance {
  under!: LogUnderTest;
  log!: EventLog;

  /** A new stream, by default a queue with the default limits. */
  async newStream(spec: Partial<TopicSpec> = {}): Promise<StreamRef> {
    const topic = `conformance.${randomUUID()}`;
    await this.log.createTopic({ topic, partitions: 1, cleanup: 'delete', ...spec });
    return { topic, partition: 0 };
  }
}

export const text = (value: string): Buffer => Buffer.from(value);

export async function offsetOf(act: Promise<{ baseOffset: number }>): Promise<number> {
  return (await act).baseOffset;
}

/** Everything from `from` to the end as it is now, or up to and without `to`, which must be there. */
export async function readAll(
  log: EventLog,
  stream: StreamRef,
  from: number,
  { to, prefetchBytes }: { to?: number; prefetchBytes?: number } = {},
): Promise<StoredRecord[]> {
  const end = to ?? (await log.offsets(stream)).end;
  const records: StoredRecord[] = [];
  if (from === end) return records;
  const { signal } = new AbortController();
  const ahead = prefetchBytes === undefined ? {} : { prefetchBytes };
  for await (const batch of log.read(stream, { from, signal, ...ahead })) {
    records.push(...batch.filter((record) => record.offset < end));
    if ((batch.at(-1)?.offset ?? 0) >= end - 1) break;
  }
  return records;
}

export function valuesOf(records: readonly StoredRecord[]): (string | undefined)[] {
  return records.map((record) => record.value?.toString());
}

/** Until a count has stayed the same over several looks: whoever raises it is waiting. */
export async function untilSteady(count: () => number): Promise<void> {
  let last = -1;
  let same = 0;
  await until(
    () => {
      same = count() === last ? same + 1 : 0;
      last = count();
      return same >= 4;
    },
    'it kept rising',
    { everyMs: 5 },
  );
}
