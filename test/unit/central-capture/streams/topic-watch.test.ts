import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { StreamLimits } from '../../../../services/central-capture/streams/stream-limits.ts';
import type { StreamWriter } from '../../../../services/central-capture/streams/stream-writer.ts';
import type { LostBeginning } from '../../../../services/central-capture/streams/topic-notes.ts';
import {
  TopicWatch,
  type TopicWatchOptions,
} from '../../../../services/central-capture/streams/topic-watch.ts';
import { PayflowError } from '../../../../services/shared/errors.ts';
import type { StreamRef, TopicDescription } from '../../../../services/shared/log/event-log.ts';
import { changeSchema, type ChangeSchema } from '../../../../services/shared/records/change-schema.ts';
import { compileSchema } from '../../../../services/shared/records/envelope.ts';
import { catalogTopic, schemasTopic, storeTopic } from '../../../../services/shared/log/topics.ts';

const PREFIX = 'p';
const MB = 1024 * 1024;
const CATALOG = catalogTopic(PREFIX);
const NORTH = storeTopic(PREFIX, 'north');
const SCHEMAS = schemasTopic(PREFIX);
const KINDS: readonly (readonly [string, string])[] = [
  ['products', 'global'],
  ['orders', 'store'],
];

type Failing = 'lost' | 'publish' | 'publishAgain';

interface Topic {
  first: number;
  end?: number | undefined;
  /** max.message.bytes; undefined: it may not be described. */
  says: number | undefined;
  isMissing: boolean;
  isUnreachable: boolean;
}

/** A log, the notes of a centre that outlive a session, and sessions that watch. */
class Site {
  readonly topics = new Map([CATALOG, NORTH, SCHEMAS].map((name): [string, Topic] => [name, topicOf()]));
  readonly created: string[] = [];
  readonly lost: LostBeginning[] = [];
  readonly unlimited: [string, readonly string[]][] = [];
  readonly limited = new Set<string>();
  readonly omitted = new Map<string, string[]>();
  /** Noted in the centre. */
  noted: ChangeSchema[] = [];
  /** What stands in the schemas topic, by what a session has read or written of it. */
  known = [schemaOf('now')];
  published: string[] = [];
  /** Thrown by what is named so, once. */
  readonly failures = new Map<Failing, PayflowError>();
  readonly limits = new StreamLimits({ describeTopics: (topics) => this.#describe(topics) });
  readonly signals: (AbortSignal | undefined)[] = [];

  topic(name: string): Topic {
    const topic = this.topics.get(name);
    if (topic === undefined) throw new Error(`no topic ${name}`);
    return topic;
  }

  async session(): Promise<{ look: () => Promise<void>; writers: StreamWriter[] }> {
    const writers = await Promise.all([this.#writer(CATALOG, null), this.#writer(NORTH, 'north')]);
    const watch = new TopicWatch(this.#options(writers));
    return { look: () => watch.look(this.signal), writers };
  }

  readonly signal = new AbortController().signal;

  async #writer(topic: string, storeId: string | null): Promise<StreamWriter> {
    const limitBytes = await this.limits.of(topic);
    if (limitBytes < 16 * MB) this.limited.add(topic);
    const stream = { topic, partition: 0 };
    return { stream, storeId, firstOffset: this.topic(topic).first, limitBytes } as StreamWriter;
  }

  #options(writers: readonly StreamWriter[]): TopicWatchOptions {
    const routes = {
      scopes: new Map(KINDS.map(([name, kind]) => [name, { kind }])),
      catalog: new Map(KINDS.map(([name]) => [name, { columns: [{ toastable: true }] }])),
    };
    return {
      eventLog: {
        describeTopics: (names) => this.#describe(names),
        changeTopic: () => Promise.reject(new PayflowError('LOG_AUTH', 'no')),
        createTopic: ({ topic }) => {
          this.created.push(topic);
          this.topics.set(topic, topicOf());
          return Promise.resolve('created');
        },
        offsets: (stream) => this.#offsets(stream),
      },
      prefix: PREFIX,
      streams: { all: () => [...writers] },
      schemas: this.#registry(),
      limits: this.limits,
      notes: this.#notes(),
      routes: () => routes as unknown as ReturnType<TopicWatchOptions['routes']>,
      takeOmitted: (topic) => {
        const tables = this.omitted.get(topic) ?? [];
        this.omitted.delete(topic);
        return tables;
      },
      everyMs: 1,
      log: pino({ level: 'silent' }),
    };
  }

  #registry(): TopicWatchOptions['schemas'] {
    const known = () => this.known.map((schema) => compileSchema(schema));
    return {
      load: () => Promise.resolve(),
      get known() {
        return known();
      },
      publish: (schema, { signal } = {}) => {
        if (!this.known.some(({ table }) => table === schema.table)) {
          this.signals.push(signal);
          this.#fail('publish');
          this.known.push(schema);
          this.published.push(schema.table);
        }
        return Promise.resolve(compileSchema(schema));
      },
      publishAgain: ({ signal }) => {
        this.signals.push(signal);
        this.#fail('publishAgain');
        this.published.push(...this.known.map(({ table }) => table));
        return Promise.resolve(this.known.length);
      },
    };
  }

  #notes(): TopicWatchOptions['notes'] {
    return {
      horizonDays: () => Promise.resolve(14),
      limited: () => Promise.resolve([...this.limited]),
      limit: (topic) => {
        this.limited.add(topic);
        return Promise.resolve();
      },
      unlimit: (topic, tables) => {
        this.limited.delete(topic);
        this.unlimited.push([topic, tables]);
        return Promise.resolve();
      },
      lost: async (beginning) => {
        this.#fail('lost');
        this.lost.push(beginning);
        return Promise.resolve();
      },
      schemas: () => Promise.resolve(this.noted),
      noteSchemas: (schemas) => {
        this.noted.push(...schemas.map(({ schema }) => schema));
        return Promise.resolve();
      },
      tell: () => Promise.resolve(),
    };
  }

  #fail(what: Failing): void {
    const failure = this.failures.get(what);
    this.failures.delete(what);
    if (failure !== undefined) throw failure;
  }

  #offsets({ topic }: StreamRef): Promise<{ first: number; end: number }> {
    const { first, end = first + 10, isMissing, isUnreachable } = this.topic(topic);
    if (isUnreachable) return Promise.reject(new PayflowError('LOG_UNREACHABLE', 'no answer'));
    if (isMissing) return Promise.reject(new PayflowError('LOG_TOPIC_MISSING', 'not there'));
    return Promise.resolve({ first, end });
  }

  #describe(names: readonly string[]): Promise<Map<string, TopicDescription | PayflowError>> {
    const found = names.flatMap((name): [string, TopicDescription | PayflowError][] => {
      const topic = this.topics.get(name);
      if (topic === undefined) return [];
      if (topic.says === undefined) return [[name, new PayflowError('LOG_AUTH', 'no')]];
      if (topic.isMissing) return [[name, new PayflowError('LOG_TOPIC_MISSING', 'not there')]];
      return [[name, { settings: new Map([['max.message.bytes', String(topic.says)]]), replicas: 1 }]];
    });
    return Promise.resolve(new Map(found));
  }
}

function schemaOf(table: string): ChangeSchema {
  return changeSchema(table, ['id'], [{ name: 'id', kind: 'int', type: 'integer' }]);
}

function topicOf(): Topic {
  return { first: 0, says: 16 * MB + 1024, isMissing: false, isUnreachable: false };
}

describe('a stream that begins later than it did', () => {
  it('is known for lost until that is noted, whatever fails before', async () => {
    const site = new Site();
    const { look, writers } = await site.session();
    site.topic(CATALOG).first = 7;
    site.failures.set('lost', new PayflowError('DB_UNREACHABLE', 'the database is away'));
    await expect(look()).rejects.toMatchObject({ code: 'DB_UNREACHABLE' });
    // What heartbeats would store.
    expect(writers[0]?.firstOffset).toBe(0);
    await look();
    expect(site.lost).toEqual([{ topic: CATALOG, first: 7, tables: ['products'] }]);
    expect(writers[0]?.firstOffset).toBe(7);
    await look();
    expect(site.lost).toHaveLength(1);
  });

  it('is noted also where the next one does not answer', async () => {
    const site = new Site();
    const { look } = await site.session();
    site.topic(CATALOG).first = 7;
    site.topic(NORTH).isUnreachable = true;
    await look();
    expect(site.lost).toMatchObject([{ topic: CATALOG }]);
    site.topic(NORTH).isUnreachable = false;
    site.topic(NORTH).first = 3;
    await look();
    expect(site.lost.slice(1)).toEqual([{ topic: NORTH, first: 3, tables: ['orders'] }]);
  });
});

describe('rows that travelled without columns', () => {
  it('are sent again once for each topic whose limit is right again', async () => {
    const site = new Site();
    const { look } = await site.session();
    await look();
    for (const name of [CATALOG, NORTH]) site.topic(name).says = 100_000;
    await look();
    site.omitted.set(CATALOG, ['products']).set(NORTH, ['orders']);
    site.topic(CATALOG).says = 16 * MB + 1024;
    await look();
    expect(site.unlimited).toEqual([[CATALOG, ['products']]]);
    site.topic(NORTH).says = 16 * MB + 1024;
    await look();
    await look();
    expect(site.unlimited.slice(1)).toEqual([[NORTH, ['orders']]]);
  });

  it('of a topic that may not be described are sent again once when capture starts, and not after a refusal', async () => {
    const site = new Site();
    site.topic(CATALOG).says = undefined;
    site.limited.add(CATALOG);
    const first = await site.session();
    for (let turn = 0; turn < 3; turn += 1) await first.look();
    expect(site.unlimited).toEqual([[CATALOG, ['products']]]);
    for (let round = 0; round < 3; round += 1) {
      const details = { topic: CATALOG, limit: 50_000, isTold: false };
      site.limits.learn(new PayflowError('LOG_RECORD_TOO_LARGE', 'too large', { details }));
      const { look, writers } = await site.session();
      for (let turn = 0; turn < 3; turn += 1) await look();
      expect(writers[0]?.limitBytes).toBe(50_000);
    }
    expect(site.unlimited).toHaveLength(1);
    expect([...site.limited]).toEqual([CATALOG]);
  });
});

describe('the schemas topic', () => {
  it('is made anew when it is reported missing twice, and not when it is once', async () => {
    const site = new Site();
    const { look } = await site.session();
    await look();
    site.topic(SCHEMAS).isMissing = true;
    await look();
    expect(site.created).toEqual([]);
    await look();
    await look();
    expect([site.created, site.published]).toEqual([[SCHEMAS], ['now']]);
  });

  it('is held for deleted only by reports one after the other', async () => {
    const site = new Site();
    const { look } = await site.session();
    for (const isMissing of [true, false, true]) {
      site.topic(SCHEMAS).isMissing = isMissing;
      await look();
    }
    expect([site.created, site.published]).toEqual([[], []]);
  });

  it('is made anew also by who may not describe it', async () => {
    const site = new Site();
    const { look } = await site.session();
    await look();
    Object.assign(site.topic(SCHEMAS), { isMissing: true, says: undefined });
    await look();
    await look();
    expect(site.created).toEqual([]);
    await look();
    await look();
    expect([site.created, site.published]).toEqual([[SCHEMAS], ['now']]);
  });

  it('gets its schemas also where the log went away just after it was made anew', async () => {
    const site = new Site();
    const { look } = await site.session();
    await look();
    site.topic(SCHEMAS).isMissing = true;
    site.failures.set('publishAgain', new PayflowError('LOG_UNREACHABLE', 'no answer'));
    await look();
    await look();
    expect([site.created, site.published]).toEqual([[SCHEMAS], []]);
    await look();
    await look();
    expect([site.created, site.published]).toEqual([[SCHEMAS], ['now']]);
    expect(site.signals).toEqual([site.signal, site.signal]);
  });

  it.each([
    ['lost its beginning', { first: 5 }],
    ['was made anew between two looks', { end: 0 }],
  ])('that %s is written again, also where the log does not take it at first', async (_what, found) => {
    const site = new Site();
    const { look } = await site.session();
    await look();
    Object.assign(site.topic(SCHEMAS), found);
    site.failures.set('publishAgain', new PayflowError('LOG_UNREACHABLE', 'no answer'));
    for (let turn = 0; turn < 3; turn += 1) await look();
    expect(site.published).toEqual(['now']);
  });

  it('that lost schemas while capture was away gets those that nobody publishes any more', async () => {
    const site = new Site();
    site.known = [schemaOf('before'), schemaOf('now')];
    await (await site.session()).look();
    expect(site.noted.map(({ table }) => table)).toEqual(['before', 'now']);
    // The next session has published the present one by itself.
    site.known = [schemaOf('now')];
    site.failures.set('publish', new PayflowError('LOG_UNREACHABLE', 'no answer'));
    const { look } = await site.session();
    for (let turn = 0; turn < 3; turn += 1) await look();
    expect([site.published, site.noted.length]).toEqual([['before'], 2]);
    expect(site.signals).toEqual([site.signal, site.signal]);
  });

  it('has a schema that comes while capture runs noted once', async () => {
    const site = new Site();
    const { look } = await site.session();
    await look();
    site.known.push(schemaOf('next'));
    await look();
    await look();
    expect(site.noted.map(({ table }) => table)).toEqual(['now', 'next']);
  });
});
