/** What the tests of central-apply share: one centre per file, an applier on it, and units sent straight to it. */
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { CentralApply, type CentralApplyOptions } from '../../services/central-apply/apply.ts';
import type { EventLog, StoredRecord } from '../../services/shared/log/event-log.ts';
import { insert, silentLog, startCentre, type ChangeSpec, type FakeTill, type TestCentre } from './centre.ts';

/** A central row as an outcome shows it to the till. */
type Image = Record<string, string | null>;

type OutcomeEntry = [
  seq: number,
  table: string,
  id: string | null,
  outcome: string,
  hash: string,
  image?: Image,
];

/** What became of one change. */
export interface ChangeResult {
  readonly outcome: string;
  readonly id: string | null;
  readonly image: Image | undefined;
}

export function applierOn(pool: Pool, options: Partial<CentralApplyOptions> = {}): CentralApply {
  return new CentralApply({
    pool,
    // Records are handed to the steps under test; they read nothing from the log.
    eventLog: {} as EventLog,
    prefix: 'payflow',
    log: silentLog,
    ...options,
  });
}

/** Starts a centre before the tests of a file and stops it after them; each test gets an applier of its own. */
export function useCentre(schema?: string, mapping?: string): ApplySite {
  const site = new ApplySite();
  beforeAll(() => site.start(schema, mapping));
  beforeEach(() => site.renewApplier());
  afterAll(() => site.stop());
  return site;
}

export class ApplySite {
  #centre: TestCentre | undefined;
  #apply: CentralApply | undefined;
  #tills = 0;
  #offset = 0;

  async start(schema?: string, mapping?: string): Promise<void> {
    this.#centre = await startCentre(schema, mapping);
  }

  renewApplier(): void {
    this.#apply = applierOn(this.pool);
  }

  async stop(): Promise<void> {
    await this.#centre?.stop();
  }

  get #started(): TestCentre {
    if (this.#centre === undefined) throw new Error('the centre is not started yet');
    return this.#centre;
  }

  get url(): string {
    return this.#started.postgres.url;
  }

  get apply(): CentralApply {
    if (this.#apply === undefined) throw new Error('there is no applier outside of a test');
    return this.#apply;
  }

  get pool(): Pool {
    return this.#started.pool;
  }

  /** Another applier on the same centre. */
  applierWith(options: Partial<CentralApplyOptions>): CentralApply {
    return applierOn(this.pool, options);
  }

  /** Waits until a query finds something. */
  async until(sql: string): Promise<void> {
    const deadline = Date.now() + 20_000;
    while ((await this.all(sql)).length === 0) {
      if (Date.now() > deadline) throw new Error(`nothing came of: ${sql}`);
    }
  }

  one<T extends object>(sql: string, values?: unknown[]): Promise<T> {
    return this.#started.one<T>(sql, values);
  }

  all<T extends object>(sql: string, values?: unknown[]): Promise<T[]> {
    return this.#started.all<T>(sql, values);
  }

  /** A till that no test has used before. */
  newTill(options: { storeId?: string; partition?: number } = {}): Promise<FakeTill> {
    this.#tills += 1;
    return this.#started.till(`till-${this.#tills}`, options);
  }

  /** An offset that no record has yet. */
  nextOffset(): number {
    this.#offset += 1;
    return this.#offset;
  }

  /** Sends each list of changes as a unit of its own, all in one record. */
  async send(till: FakeTill, ...units: ChangeSpec[][]) {
    const record: StoredRecord = till.stored(
      this.nextOffset(),
      units.map((changes) => till.unit(...changes)),
    );
    return { record, result: await this.apply.applyRecords(0, [record]) };
  }

  /** Sends one unit. @returns how many of its changes had which outcome */
  async sendForCounts(till: FakeTill, ...changes: ChangeSpec[]): Promise<Record<string, number>> {
    const { result } = await this.send(till, changes);
    return Object.fromEntries(result.outcomes);
  }

  /** Sends one unit. @returns what became of each of its changes */
  async sendForResults(till: FakeTill, ...changes: ChangeSpec[]): Promise<ChangeResult[]> {
    const unit = till.unit(...changes);
    await this.apply.applyRecords(0, [till.stored(this.nextOffset(), [unit])]);
    const { entries } = await this.one<{ entries: string }>(
      'SELECT entries FROM payflow_sync.outcome WHERE terminal_id = $1 AND unit = $2',
      [till.terminal, unit.number],
    );
    return (JSON.parse(entries) as OutcomeEntry[]).map(([, , id, outcome, , image]) => ({
      outcome,
      id,
      image,
    }));
  }

  /** Everything the centre tells the till about its changes, in order. */
  async outcomesOf(till: FakeTill): Promise<OutcomeEntry[]> {
    const rows = await this.all<{ entries: string }>(
      'SELECT entries FROM payflow_sync.outcome WHERE terminal_id = $1 ORDER BY unit',
      [till.terminal],
    );
    return rows.flatMap(({ entries }) => JSON.parse(entries) as OutcomeEntry[]);
  }

  progressOf(till: FakeTill) {
    return this.one<{ last_unit: string; last_seq: string; exceptions: string }>(
      'SELECT * FROM payflow_sync.progress WHERE terminal_id = $1',
      [till.terminal],
    );
  }

  /** The till's orders at the centre, with what hangs on them. */
  ordersOf(till: FakeTill) {
    return this.all<{ number: string; items: string; paid: string; store_id: string }>(
      `SELECT o.number, o.store_id, (SELECT count(*) FROM order_items i WHERE i.order_id = o.id) AS items,
              (SELECT sum(amount)::text FROM payments p WHERE p.order_id = o.id) AS paid
         FROM orders o WHERE o.terminal_code = $1 ORDER BY o.number`,
      [till.terminal],
    );
  }
}

/** An order of two lines, paid in cash. */
export function sale(name: string, quantity = 2n): ChangeSpec[] {
  return [
    insert('orders', `${name}-o`, { number: name, total: 12.5, sold_at: 1_700_000_000_123n }),
    insert('order_items', `${name}-i1`, { quantity, price: 5 }, { order_id: `${name}-o` }),
    insert('order_items', `${name}-i2`, { quantity: 1n, price: 2.5 }, { order_id: `${name}-o` }),
    insert('payments', `${name}-p`, { method: 'cash', amount_cents: 1250n }, { order_id: `${name}-o` }),
  ];
}
