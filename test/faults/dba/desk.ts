/** What a DBA knows of the centre of the reference shop while sales go on there, and how a statement is carried out. */
import type pg from 'pg';
import { until } from '../../../scripts/support/until.ts';
import { inTransaction } from '../../../services/shared/database/postgres.ts';
import { PayflowError } from '../../../services/shared/errors.ts';

/** Tables to which a DBA does something. None holds what the verdict sums up but under columns that stay alone. */
export const TABLES = [
  'customers',
  'discounts',
  'order_items',
  'payments',
  'inventory_transactions',
] as const;
export type TableName = (typeof TABLES)[number];

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** SQL of transactions, one after the other; none: there is nothing to be done it to. */
export type Deed = (desk: Desk) => Promise<readonly string[]>;

export interface DeskOptions {
  readonly pool: pg.Pool;
  readonly publication: string;
  readonly random: () => number;
}

/** Somebody else has the table, or waits for what we have: whoever works by hand tries again. */
const BUSY: ReadonlySet<string> = new Set(['55P03', '40P01']);
/** Rows of a sale have come into the range of a partition meanwhile. */
const TAKEN = '23514';
const PATIENCE = { deadlineMs: 120_000, everyMs: 100 };

export class Desk {
  readonly pool: pg.Pool;
  readonly publication: string;
  /** What were partitions of inventory_transactions. */
  readonly detached = new Map<string, Range>();
  readonly #random: () => number;
  #names = 0;

  constructor({ pool, publication, random }: DeskOptions) {
    this.pool = pool;
    this.publication = publication;
    this.#random = random;
  }

  below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  oneOf<T>(all: Iterable<T>): T | undefined {
    const list = [...all];
    return list[this.below(list.length)];
  }

  table(): TableName {
    return this.oneOf(TABLES) ?? 'order_items';
  }

  newName(what: string): string {
    this.#names += 1;
    return `${what}_${this.#names}`;
  }

  async number(query: string): Promise<number> {
    const { rows } = await this.pool.query<{ n: string }>(query);
    return Number(rows[0]?.n);
  }

  /** One transaction, tried until nobody is in its way. */
  async carryOut(sql: string): Promise<void> {
    await until(() => this.#tried(sql), `somebody lets the DBA do it: ${sql}`, PATIENCE);
  }

  async #tried(sql: string): Promise<boolean> {
    try {
      if (sql.startsWith('VACUUM')) await this.pool.query(sql);
      else
        await inTransaction(this.pool, async (client) => {
          await client.query(`SET LOCAL lock_timeout = '2s'`);
          await client.query(sql);
        });
      return true;
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === TAKEN) return true;
      if (state !== undefined && BUSY.has(state)) return false;
      throw error;
    }
  }
}

function sqlStateOf(error: unknown): string | undefined {
  const origin = error instanceof PayflowError ? error.cause : error;
  const code = (origin as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** A change of some rows, in columns that no sum of the verdict is made of. @param as what the table is called now */
export function editSql(desk: Desk, table: TableName, as: string = table): string {
  const some = `id % 3 = ${desk.below(3)}`;
  switch (table) {
    case 'customers':
      return `UPDATE ${as} SET notes = coalesce(notes, '') || '.' WHERE hashtext(id::text) % 2 = 0`;
    case 'discounts':
      return `UPDATE ${as} SET name = name || '.' WHERE ${some}`;
    case 'order_items':
      return `UPDATE ${as} SET tax_amount = tax_amount + 0.01 WHERE ${some}`;
    case 'payments':
      return `UPDATE ${as} SET reference = coalesce(reference, '') || '.' WHERE ${some}`;
    case 'inventory_transactions':
      // Without the order, which stays in its store.
      return `UPDATE ${as} SET store_id = 3 - store_id, order_id = NULL, reason = 'moved' WHERE id % 11 = ${desk.below(11)}`;
  }
}

export function editAllSql(desk: Desk): string {
  return TABLES.map((table) => `${editSql(desk, table)};`).join('\n');
}
