/**
 * A centre whose database somebody works on: whether the streams hold, store by store, what the tables do. Rows are
 * compared as PostgreSQL prints them.
 */
import { isDeepStrictEqual } from 'node:util';
import { until } from '../../scripts/support/until.ts';
import type { CentralRow } from '../../services/shared/records/change-record.ts';
import { storeTopic, catalogTopic } from '../../services/shared/log/topics.ts';
import { CaptureSite, type CaptureSiteOptions, type RunningCapture } from './capture-site.ts';

export const WATCHED_SQL = `
  CREATE TYPE size AS ENUM ('small', 'large');
  CREATE TABLE goods (id int PRIMARY KEY, name text, price numeric(12,2), size size, stock int);
  CREATE TABLE rates (id int PRIMARY KEY, percent int, floor int);
  CREATE TABLE sales (id int PRIMARY KEY, store_id text, total int, note text);
  CREATE TABLE sale_lines (id int PRIMARY KEY, sale_id int, qty int);
  CREATE TABLE events (id int, month int, store_id text, what text, PRIMARY KEY (id, month)) PARTITION BY RANGE (month);
  CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (2);
  CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (2) TO (3);
  INSERT INTO goods SELECT i, 'N' || i, i + 0.5, 'small', i FROM generate_series(1, 20) AS i;
  INSERT INTO rates SELECT i, i, 10 * i FROM generate_series(1, 5) AS i;
  INSERT INTO sales SELECT i, CASE WHEN i % 2 = 0 THEN 'north' ELSE 'south' END, i, 'n' FROM generate_series(1, 10) AS i;
  INSERT INTO sale_lines SELECT i, (i + 1) / 2, i FROM generate_series(1, 20) AS i;
  INSERT INTO events SELECT i, 1 + i % 2, CASE WHEN i % 3 = 0 THEN 'north' ELSE 'south' END, 'e' || i
    FROM generate_series(1, 12) AS i;
`;

export const WATCHED_MAPPING = `
version: 1
tables:
  goods: { scope: global }
  rates: { scope: global }
  sales: { scope: { store: store_id } }
  sale_lines: { scope: { store: { via: sale_id } }, references: { sale_id: sales } }
  events: { scope: { store: store_id } }
`;

/** Which rows each stream should hold. */
const HOLDS: Readonly<Record<string, Readonly<Record<string, (store: string) => string>>>> = {
  catalog: { goods: () => 'SELECT * FROM goods', rates: () => 'SELECT * FROM rates' },
  store: {
    sales: (store) => `SELECT * FROM sales WHERE store_id = '${store}'`,
    sale_lines: (store) =>
      `SELECT l.* FROM sale_lines l JOIN sales s ON s.id = l.sale_id WHERE s.store_id = '${store}'`,
    events: (store) => `SELECT * FROM events WHERE store_id = '${store}'`,
  },
};

/** Row filters and column lists. */
const NARROWING_SINCE = 150_000;

/** Whether this server's publications can leave out rows and columns. */
export async function canNarrow(site: CaptureSite): Promise<boolean> {
  const { rows } = await site.pool.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  return (rows[0]?.version ?? 0) >= NARROWING_SINCE;
}

type Rows = Record<string, Record<string, string | null>>;

export class WatchedShop {
  readonly site: CaptureSite;
  running: RunningCapture | undefined;

  private constructor(site: CaptureSite) {
    this.site = site;
  }

  static async start(options: CaptureSiteOptions = {}): Promise<WatchedShop> {
    const site = await CaptureSite.start({
      sql: WATCHED_SQL,
      mapping: WATCHED_MAPPING,
      heartbeatMs: 200,
      ...options,
    });
    const shop = WatchedShop.of(site);
    await site.setup();
    await shop.begin();
    await shop.isRight();
    return shop;
  }

  static of(site: CaptureSite): WatchedShop {
    return new WatchedShop(site);
  }

  async begin(): Promise<void> {
    this.running = await this.site.capture();
    await this.site.seeded();
    await this.site.acknowledged();
  }

  async pause(): Promise<void> {
    await this.running?.stop();
    this.running = undefined;
  }

  async sql(text: string): Promise<void> {
    await this.site.pool.query(text);
  }

  /** Waits until every stream holds what the tables do. */
  async isRight(): Promise<void> {
    await until(
      async () => (await this.#wrong()).length === 0,
      async () =>
        `the tills are right: ${(await this.#wrong()).join('\n')}; ${JSON.stringify(await this.states())}`,
      { everyMs: 100 },
    );
  }

  async states(): Promise<Record<string, string>> {
    const { rows } = await this.site.pool.query<{ table_name: string; code: string }>(
      'SELECT table_name, code FROM payflow_sync.watched_table WHERE code IS NOT NULL',
    );
    return Object.fromEntries(rows.map(({ table_name, code }) => [table_name, code]));
  }

  async hasState(table: string, code: string | undefined): Promise<void> {
    await until(
      async () => (await this.states())[table] === code,
      async () => `${table} has the state ${code ?? 'none'}: ${JSON.stringify(await this.states())}`,
    );
  }

  /** How often the table was seeded. */
  async seedings(table: string): Promise<number> {
    const catalog = catalogTopic(this.site.prefix);
    const { rows } = await this.site.pool.query<{ topic: string }>('SELECT topic FROM payflow_sync.stream');
    const topics = [catalog, ...rows.map(({ topic }) => topic).filter((topic) => topic !== catalog)];
    const counts = await Promise.all(
      topics.map(async (topic) => {
        const { controls } = await this.site.read(topic);
        return controls.filter((control) => control.kind === 'seed-complete' && control.table === table)
          .length;
      }),
    );
    return Math.max(...counts);
  }

  /** Looks so often that partitions are looked at too. */
  async looks(): Promise<void> {
    for (let turns = 0; turns < 7;) turns = (await this.#hasLooked()) ? turns + 1 : 0;
    await this.site.seeded();
    await this.site.acknowledged();
  }

  /** @returns false: the session ended meanwhile, as it does on PostgreSQL 14 behind a change of partitions */
  async #hasLooked(): Promise<boolean> {
    const { running } = this;
    if (running === undefined) return true;
    const session = running.session();
    try {
      await session.watch.look();
      return true;
    } catch (error) {
      await until(
        () => running.session() !== session,
        () => `a look that failed in a session that has not ended: ${String(error)}`,
      );
      return false;
    }
  }

  async #wrong(): Promise<string[]> {
    const wrong: string[] = [];
    for (const [kind, tables] of Object.entries(HOLDS)) {
      for (const store of kind === 'catalog' ? [''] : ['north', 'south']) {
        const topic =
          kind === 'catalog' ? catalogTopic(this.site.prefix) : storeTopic(this.site.prefix, store);
        const streamed = await this.#streamed(topic);
        for (const [table, query] of Object.entries(tables)) {
          const [here, there] = [await this.#stored(table, query(store)), streamed.get(table) ?? {}];
          if (isDeepStrictEqual(here, there)) continue;
          wrong.push(`${table} ${store}: ${JSON.stringify(differing(here, there))}`);
        }
      }
    }
    return wrong;
  }

  async #streamed(topic: string): Promise<Map<string, Rows>> {
    const { changes } = await this.site.read(topic);
    const tables = new Map<string, Rows>();
    for (const { table, id, after } of changes) {
      const rows = tables.get(table) ?? {};
      tables.set(table, rows);
      if (after === null) delete rows[id];
      else rows[id] = texts(after);
    }
    return tables;
  }

  async #stored(table: string, query: string): Promise<Rows> {
    const { rows: keys } = await this.site.pool.query<{ name: string }>(
      `SELECT a.attname AS name FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
       WHERE i.indisprimary AND i.indrelid = $1::regclass`,
      [table],
    );
    const { rows } = await this.site.pool.query<Record<string, string | null>>({
      text: query,
      types: { getTypeParser: () => (value: string) => value },
    });
    const idOf = (row: Record<string, string | null>) => {
      const parts = keys.map(({ name }) => row[name] ?? '');
      return parts.length === 1 ? (parts[0] ?? '') : JSON.stringify(parts);
    };
    return Object.fromEntries(rows.map((row) => [idOf(row), row]));
  }
}

function texts(row: CentralRow): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]),
  );
}

function differing(here: Rows, there: Rows): unknown[] {
  const ids = new Set([...Object.keys(here), ...Object.keys(there)]);
  return [...ids]
    .filter((id) => !isDeepStrictEqual(here[id], there[id]))
    .slice(0, 3)
    .map((id) => ({ id, table: here[id], stream: there[id] }));
}
