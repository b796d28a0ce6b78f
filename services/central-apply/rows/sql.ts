/**
 * Small pieces of SQL that everything here is made of. Values cross the wire as PostgreSQL's own text, both
 * ways: nothing is parsed that is only carried, compared or hashed.
 */
import type { PoolClient } from 'pg';
import type { CentralColumn } from '../../shared/catalog/central-catalog.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';

export type Text = string | null;
export type TextRow = readonly Text[];

const RAW_TYPES = {
  getTypeParser: () => (text: string) => text,
};

/**
 * A connection that takes the next statement while the last one is still running: its parameters are built
 * meanwhile, which for thousands of texts takes as long as the statement itself. Statements run in the order
 * of the calls; after one that fails those behind it are not sent. Errors are PayflowErrors.
 */
export class Session {
  readonly #client: PoolClient;
  #last: Promise<unknown> | null = null;

  constructor(client: PoolClient) {
    this.#client = client;
  }

  /** Rows as arrays of PostgreSQL's own texts. */
  rows(text: string, values: readonly Text[] = []): Promise<TextRow[]> {
    return this.#queue(async () => {
      const query = { text, values: [...values], rowMode: 'array' as const, types: RAW_TYPES };
      return (await this.#sent(() => this.#client.query<Text[]>(query))).rows;
    });
  }

  /** Statements without parameters, several separated by semicolons. */
  command(text: string): Promise<unknown> {
    return this.#queue(() => this.#sent(() => this.#client.query(text)));
  }

  async #sent<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }

  #queue<T>(send: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const result = before === null ? send() : before.then(send);
    this.#last = result;
    const done = () => {
      if (this.#last === result) this.#last = null;
    };
    result.then(done, done);
    return result;
  }
}

/**
 * The results of statements that were queued together. Fails only once none of them is queued or running any
 * more, which Promise.all does not: one that is sent after the rollback would be committed on its own.
 */
export async function allDone<T>(statements: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(statements);
  return Promise.all(statements);
}

/** An array literal for a `$n::text[]` parameter; much cheaper than the driver's own for thousands of texts. */
export function textArray(values: readonly Text[]): string {
  return `{${values.map(element).join(',')}}`;
}

function element(value: Text): string {
  if (value === null) return 'NULL';
  return `"${/["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value}"`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * `unnest($from::text[], …) AS v(c0, c1, …)`: columns of texts as a table, one parameter each.
 */
export function unnest(
  columns: number,
  options: { from?: number; alias?: string; ordinality?: boolean } = {},
) {
  const { from = 1, alias = 'v', ordinality = false } = options;
  const numbers = Array.from({ length: columns }, (_, index) => index);
  const parameters = numbers.map((index) => `$${from + index}::text[]`).join(', ');
  const names = numbers.map((index) => `c${index}`);
  return ordinality
    ? `unnest(${parameters}) WITH ORDINALITY AS ${alias}(${[...names, 'n'].join(', ')})`
    : `unnest(${parameters}) AS ${alias}(${names.join(', ')})`;
}

/**
 * Ends a LATERAL subquery on one of our own tables, and keeps it a look-up for each asked row. Left to itself
 * the planner reads the whole table for a group's few thousand rows, and that table grows with every sale.
 */
export const BY_INDEX = 'OFFSET 0';

/**
 * The type to cast a text to, without its length: an explicit cast to varchar(3) would cut a longer value
 * off in silence, while the assignment to the column refuses it.
 */
export function castType(column: Pick<CentralColumn, 'type'>): string {
  return column.type
    .replace(/\(\d+(,\s*-?\d+)?\)/, '')
    .replace(/^character(\[\])?$/, 'bpchar$1')
    .replace(/^bit(\[\])?$/, 'bit varying$1');
}
