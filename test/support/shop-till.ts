/** A small shop for tests of the till's apply side: a till file, its two streams, and a TillApply on them. */
import { createHash } from 'node:crypto';
import { TillApply } from '../../services/terminal-agent/apply.ts';
import type { TillApplyOptions } from '../../services/terminal-agent/apply-options.ts';
import type { CentralValue, Outcome } from '../../services/shared/records/change-record.ts';
import type { AnswerOrigin } from '../../services/shared/records/origin-units.ts';
import type { OwnUnits } from '../../services/terminal-agent/settlement.ts';
import type { StoredRecord } from '../../services/shared/log/event-log.ts';
import { type CentralColumns, DownStream, TestSchemas } from './down-stream.ts';
import { TillCapture } from '../../services/terminal-agent/capture.ts';
import { StandingWatch } from '../../services/terminal-agent/standing-watch.ts';
import { goOn } from '../../services/terminal-agent/settle/unsettled-units.ts';
import type { KeptChange } from '../../services/terminal-agent/up/change-store.ts';
import { AgentFile } from '../../services/terminal-agent/units/agent-file.ts';
import { openTestTill, silentLog, type TestTill, type TestTillOptions } from './till.ts';

export const CATALOG = 'payflow.catalog';
export const STORE = 'payflow.store.S1';

export const SHOP_SCHEMA = `
CREATE TABLE categories (id INTEGER PRIMARY KEY, local_id TEXT, server_id INTEGER, name TEXT NOT NULL,
  parent_id INTEGER REFERENCES categories, sync_status TEXT, last_sync_at TEXT);
CREATE TABLE products (id INTEGER PRIMARY KEY, local_id TEXT, server_id INTEGER, sku TEXT NOT NULL UNIQUE,
  name TEXT, price REAL CHECK (price >= 0), stock_quantity INTEGER NOT NULL DEFAULT 0,
  category_id INTEGER REFERENCES categories, updated_at TEXT, shelf TEXT,
  sync_status TEXT, sync_operation TEXT, last_sync_at TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, local_id TEXT, server_id INTEGER, number TEXT, total REAL,
  updated_at TEXT, sync_status TEXT, sync_operation TEXT, last_sync_at TEXT);
CREATE TABLE order_items (id INTEGER PRIMARY KEY, local_id TEXT, server_id INTEGER,
  order_id INTEGER NOT NULL REFERENCES orders, product_id INTEGER REFERENCES products, quantity INTEGER,
  sync_status TEXT);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT);
`;

export const SHOP_MAPPING = `
version: 1
defaults:
  exclude: [local_id, server_id, sync_status, sync_operation, last_sync_at]
tables:
  categories:
    scope: global
    references: {parent_id: categories}
  products:
    scope: global
    exclude: [local_id, server_id, sync_status, sync_operation, last_sync_at, shelf]
    columns: {stock_quantity: {policy: delta}}
    references: {category_id: categories}
    natural_key: [sku]
  orders:
    scope: {store: store_id}
    set: {store_id: $store}
  order_items:
    scope: {store: {via: order_id}}
    references: {order_id: orders, product_id: products}
  settings:
    scope: global
    direction: push
`;

export const SHOP_CENTRAL: Readonly<Record<string, CentralColumns>> = {
  categories: { id: ['bigint', 'bigint'], name: ['text', 'text'], parent_id: ['bigint', 'bigint'] },
  products: {
    id: ['bigint', 'bigint'],
    sku: ['text', 'text'],
    name: ['text', 'text'],
    price: ['text', 'numeric(12,2)'],
    stock_quantity: ['int', 'integer'],
    category_id: ['bigint', 'bigint'],
    updated_at: ['text', 'timestamp with time zone'],
  },
  orders: {
    id: ['bigint', 'bigint'],
    number: ['text', 'text'],
    total: ['text', 'numeric(12,2)'],
    updated_at: ['text', 'timestamp with time zone'],
    store_id: ['text', 'text'],
  },
  order_items: {
    id: ['bigint', 'bigint'],
    order_id: ['bigint', 'bigint'],
    product_id: ['bigint', 'bigint'],
    quantity: ['int', 'integer'],
  },
  settings: { name: ['text', 'text'], value: ['text', 'text'] },
};

export const INCARNATION = 'incarnation-1';

export interface ShopTill {
  readonly test: TestTill;
  readonly schemas: TestSchemas;
  readonly catalog: DownStream;
  readonly store: DownStream;
  readonly apply: TillApply;
  /** Applies what was committed to a stream. */
  toCatalog(records: StoredRecord[]): Promise<void>;
  toStore(records: StoredRecord[]): Promise<void>;
  /** What the app has written until now is cut. */
  look(): void;
  /** The centre has said that this file goes on, under another name. */
  goOn(): void;
  /** The agent file has taken incarnation-2, and payflow.db does not know it yet. */
  killedWhileRenamed(): void;
  /** Takes the steps of standing.ts, as the agent does; the next name is incarnation-2. */
  watch(): StandingWatch;
  /** Of the changes that were cut, in order: op, identity, and the key that the row had. */
  cut(): unknown[];
  /** A fresh TillApply over the same file, as after a restart. */
  restart(): void;
  rows(sql: string): unknown[];
  /** What was cut, in order, with all that the app has written until now. */
  changes(): KeptChange[];
  /** What became of each change that was cut, in order. */
  outcomes(): unknown[];
  /** The identity of the row that was changed last in a table. */
  identityOf(table: string): string;
  /** The identity of the row under a key. */
  identityAt(table: string, key: number): string;
  /** Lets a product come from the centre: linked, known to both sides, nothing open. */
  knownProduct(sku?: string, id?: number, more?: Record<string, CentralValue>): Promise<void>;
  close(): void;
}

export interface ShopOptions extends Partial<TestTillOptions> {
  readonly apply?: Partial<TillApplyOptions>;
  /** Central tables instead of the shop's. */
  readonly central?: Readonly<Record<string, CentralColumns>>;
}

export function openShopTill(options: ShopOptions = {}): ShopTill {
  // A clock on which every look is long after the one before: the gate never keeps a test waiting.
  let clockMs = 0;
  const test = openTestTill({
    schema: options.schema ?? SHOP_SCHEMA,
    mapping: options.mapping ?? SHOP_MAPPING,
    incarnation: INCARNATION,
    elapsedMs: () => (clockMs += 60_000),
    ...options,
  });
  const schemas = new TestSchemas(options.central ?? SHOP_CENTRAL);
  const make = () =>
    new TillApply({
      till: test.till,
      schemas,
      topics: { catalog: CATALOG, store: STORE },
      log: silentLog,
      ownUnits: UNIT_PER_CHANGE,
      capture,
      ...options.apply,
    });
  let agentFile = AgentFile.open(test.folder, 'T1', () => INCARNATION);
  let capture = newCapture(test, agentFile);
  let apply = make();
  const catalog = new DownStream(schemas);
  const toCatalog = async (records: StoredRecord[]) => void (await apply.applyBatch(CATALOG, records));
  const rows = (sql: string) => test.app.prepare(sql).all();
  return {
    test,
    schemas,
    catalog,
    store: new DownStream(schemas),
    get apply() {
      return apply;
    },
    toCatalog,
    toStore: async (records) => void (await apply.applyBatch(STORE, records)),
    look: () => void capture.cutAll(),
    goOn() {
      agentFile.renounce({ why: 'a test' }, 'incarnation-2');
      const sent = agentFile.unpublished(Infinity, 1000).map(({ number }) => number);
      agentFile.markPublished(sent, { nowMs: 1, lastOffset: 1 });
      goOn(test.till, agentFile);
      this.restart();
    },
    killedWhileRenamed() {
      agentFile.renounce({ why: 'a test' }, 'incarnation-2');
      this.restart();
    },
    watch: () =>
      new StandingWatch({
        till: test.till,
        agentFile,
        apply,
        topics: { catalog: CATALOG, store: STORE },
        standing: apply.standing,
        token: 'token',
        newIncarnation: () => 'incarnation-2',
        log: silentLog,
        onChange: () => undefined,
      }),
    cut() {
      capture.cutAll();
      return agentFile.changes.after(0).map(({ op, identity, rowKey }) => [op, identity, Number(rowKey)]);
    },
    restart() {
      agentFile.close();
      test.reopen();
      agentFile = AgentFile.open(test.folder, 'T1', () => INCARNATION);
      capture = newCapture(test, agentFile);
      apply = make();
      apply.resume(CATALOG);
      apply.resume(STORE);
    },
    rows,
    changes() {
      capture.cutAll();
      return agentFile.changes.after(0);
    },
    outcomes() {
      capture.cutAll();
      const known = capture.flight.outcomes(0, agentFile.changes.lastNumber());
      return agentFile.changes
        .after(0)
        .map(({ number, op }) => ({ seq: number, op, outcome: known.get(number) ?? null }));
    },
    identityOf(table) {
      capture.cutAll();
      const last = agentFile.changes.after(0).findLast((change) => change.table === table);
      if (last === undefined) throw new Error(`nothing was changed in ${table}`);
      return last.identity;
    },
    identityAt(table, key) {
      apply.applyLocal();
      const [row] = rows(`SELECT identity FROM sync_row_${table} WHERE row_key = ${key}`);
      return String((row as { identity: string } | undefined)?.identity);
    },
    knownProduct: (sku = 'A', id = 7, more = {}) =>
      toCatalog(catalog.commit(100, catalog.row('products', id, product(sku, more)))),
    close() {
      agentFile.close();
      test.close();
    },
  };
}

function newCapture({ till }: TestTill, agentFile: AgentFile): TillCapture {
  const capture = new TillCapture({ till, agentFile, log: silentLog });
  capture.checkFile();
  return capture;
}

/** What the till has cut, where a test has no agent file: each change by itself. */
const UNIT_PER_CHANGE: OwnUnits = {
  lastNumber: Number.MAX_SAFE_INTEGER,
  hashOf: () => undefined,
  hashHolding: (seq) => unitHashOf(seq),
};

function unitHashOf(seq: number): Buffer {
  return createHash('sha256').update(`unit of change ${seq}`).digest();
}

/** The centre's answer to a change of this till. */
export function mine(seq: number, outcome: Outcome = 'applied'): AnswerOrigin {
  return { terminal: 'T1', incarnation: INCARNATION, seq, outcome, unitHash: unitHashOf(seq) };
}

/** A product as the centre sends it. */
export const product = (sku: string, more: Record<string, CentralValue> = {}) => ({
  sku,
  name: `Name of ${sku}`,
  price: '12.50',
  stock_quantity: 10,
  category_id: null,
  updated_at: '2026-01-02 03:04:05+00',
  ...more,
});
