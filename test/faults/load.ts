/**
 * The load under which faults are made: cashiers at every till and a head office that edits, until told to
 * stop. Everything sold is written down here, apart from any database, as the truth to compare with.
 */
import type pg from 'pg';
import { Cashier, seededRandom, type Sale } from '../../scripts/support/shop.ts';
import type { Site } from '../../scripts/support/site.ts';

export interface Journal {
  readonly sales: ReadonlyMap<string, Sale>;
  /** Of copies of a till's file: they may arrive, though never twice. */
  readonly ofCopies: ReadonlySet<string>;
  readonly edits: number;
}

export interface LoadOptions {
  readonly site: Site;
  readonly seed: number;
  /** Pause between two sales of one till, ms. */
  readonly pauseMs: number;
}

export class Load {
  readonly #options: LoadOptions;
  readonly #sales = new Map<string, Sale>();
  readonly #stop = new AbortController();
  readonly #ofCopies = new Set<string>();
  readonly #pauses = new Map<string, Pause>();
  #edits = 0;
  #work: Promise<void>[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  start(): void {
    const { site, seed } = this.#options;
    this.#work = [
      ...site.options.tills.map((till, index) => this.#sell(till.id, seed + index)),
      this.#edit(seededRandom(seed + 1_000)),
    ];
  }

  get soldSoFar(): number {
    return this.#sales.size;
  }

  /** Sells nothing at a till, and has its file closed, until `resume`. */
  async pause(terminalId: string): Promise<void> {
    const pause = new Pause();
    this.#pauses.set(terminalId, pause);
    await pause.begun;
  }

  /** @param orders how its order numbers begin from now on: a file of before would count from there again */
  resume(terminalId: string, orders: string = terminalId): void {
    this.#pauses.get(terminalId)?.end(orders);
    this.#pauses.delete(terminalId);
  }

  /** Sells at a copy of a till's file. */
  sellAtCopy(file: string, orders: string, sales: number): void {
    const cashier = new Cashier(orders, file);
    for (let n = 0; n < sales; n += 1) this.#ofCopies.add(cashier.sell().orderNumber);
    cashier.close();
  }

  async stop(): Promise<Journal> {
    this.#stop.abort();
    await Promise.all(this.#work);
    return { sales: this.#sales, edits: this.#edits, ofCopies: this.#ofCopies };
  }

  async #sell(terminalId: string, seed: number): Promise<void> {
    const random = seededRandom(seed);
    const file = this.#options.site.tillFile(terminalId);
    let cashier = new Cashier(terminalId, file, random);
    try {
      while (!this.#stop.signal.aborted) {
        const pause = this.#pauses.get(terminalId);
        if (pause !== undefined) {
          cashier.close();
          cashier = new Cashier(await pause.take(), file, random);
          continue;
        }
        const sale = cashier.sell({ lines: 1 + Math.floor(random() * 4) });
        this.#sales.set(sale.orderNumber, sale);
        if (random() < 0.2) renameCustomer(cashier, random);
        await this.#pause(random() * 2 * this.#options.pauseMs);
      }
    } finally {
      cashier.close();
    }
  }

  /** Head office goes on through outages of its own database: what failed is simply not an edit. */
  async #edit(random: () => number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (await edited(this.#options.site.pool, random)) this.#edits += 1;
      await this.#pause(20 + random() * 60);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
}

/** A till at which nothing is sold for a while. */
class Pause {
  #take: () => void = () => undefined;
  readonly begun = new Promise<void>((resolve) => (this.#take = resolve));
  end: (orders: string) => void = () => undefined;
  readonly #ended = new Promise<string>((resolve) => (this.end = resolve));

  /** @returns how order numbers begin afterwards */
  take(): Promise<string> {
    this.#take();
    return this.#ended;
  }
}

function renameCustomer(cashier: Cashier, random: () => number): void {
  cashier.db
    .prepare(
      `UPDATE customers SET full_name = ?, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
        WHERE id = (SELECT id FROM customers ORDER BY id LIMIT 1 OFFSET ?)`,
    )
    .run(`renamed ${Math.floor(random() * 1e6)}`, Math.floor(random() * 5));
}

const EDITS: readonly ((pool: pg.Pool, random: () => number) => Promise<unknown>)[] = [
  (pool, random) =>
    pool.query('UPDATE products SET price = price + 0.01 WHERE id = $1', [1 + Math.floor(random() * 50)]),
  (pool, random) =>
    pool.query('UPDATE products SET master_stock_quantity = master_stock_quantity + 5 WHERE id = $1', [
      1 + Math.floor(random() * 50),
    ]),
  (pool, random) =>
    pool.query(
      `UPDATE customers SET full_name = $1 WHERE id = (SELECT id FROM customers ORDER BY email LIMIT 1 OFFSET $2)`,
      [`head office ${Math.floor(random() * 1e6)}`, Math.floor(random() * 5)],
    ),
  (pool, random) =>
    pool.query(
      `INSERT INTO discounts (code, name, percent) VALUES ('D' || $1::text, 'Discount', 5) ON CONFLICT DO NOTHING`,
      [String(Math.floor(random() * 1e9))],
    ),
  (pool) => pool.query(`DELETE FROM discounts WHERE id = (SELECT min(id) FROM discounts)`),
];

async function edited(pool: pg.Pool, random: () => number): Promise<boolean> {
  const edit = EDITS[Math.floor(random() * EDITS.length)];
  try {
    await edit?.(pool, random);
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}
