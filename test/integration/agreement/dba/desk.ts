/** What a DBA knows of the database while working on it. */
import type { Pool } from 'pg';
import type { Truth } from '../play.ts';
import { FIRST_REST, type TableName } from './shop.ts';

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Transactions, one after the other; none: there is nothing to be done it to. */
export type Deed = (desk: Desk, pick: number) => Promise<readonly string[]>;

export class Desk {
  readonly pool: Pool;
  readonly publication: string;
  readonly slot: string;
  readonly truth: Truth;
  /** Partitions of tickets by name, beside the rest. */
  readonly ranges = new Map<string, Range>();
  readonly detached = new Map<string, Range>();
  rest = FIRST_REST;
  #names = 0;

  constructor(options: {
    readonly pool: Pool;
    readonly publication: string;
    readonly slot: string;
    readonly truth: Truth;
  }) {
    this.pool = options.pool;
    this.publication = options.publication;
    this.slot = options.slot;
    this.truth = options.truth;
  }

  newName(what: string): string {
    this.#names += 1;
    return `${what}_${this.#names}`;
  }

  /** The first column of all rows. */
  async column(query: string): Promise<string[]> {
    const { rows } = await this.pool.query<string[]>({ text: query, rowMode: 'array' });
    return rows.map(([value]) => String(value));
  }

  async number(query: string): Promise<number> {
    const [value] = await this.column(query);
    return Number(value);
  }

  /** Tickets that the DBA takes away, which nobody has to find again. */
  async takesAway(condition: string): Promise<void> {
    const numbers = await this.column(`SELECT number FROM tickets WHERE ${condition}`);
    for (const number of numbers) this.truth.deleted.add(number);
  }
}

export function pickOne<T>(among: Iterable<T>, pick: number): T | undefined {
  const all = [...among];
  return all[pick % Math.max(1, all.length)];
}

/** A change of some rows; of a table of that kind, whatever it is called now. */
export function changeSql(table: TableName, pick: number, as: string = table): string {
  const some = `WHERE id % 2 = ${pick % 2}`;
  switch (table) {
    case 'items':
      return `UPDATE ${as} SET stock = stock + 1, low = low + 1 ${some}; DELETE FROM ${as} WHERE id % 9 = ${pick % 9};`;
    case 'tickets':
      return `UPDATE ${as} SET name = name || '.' ${some};`;
    case 'lines':
      return `UPDATE ${as} SET quantity = quantity + 1 ${some}; DELETE FROM ${as} WHERE id % 5 = ${pick % 5};`;
  }
}

export const TABLES: readonly TableName[] = ['items', 'tickets', 'lines'];
