/**
 * Which columns of a till's tables the centre has too, as far as its records say. What a row holds in a column that is in
 * no image of it fills the centre's NULLs (DESIGN §4.9), but only where there is such a column: until then it waits.
 * Where the first record shows a column, all that the till holds in it is entered, before an image takes its place.
 */
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import type { CompiledSchema } from '../../shared/records/envelope.ts';
import { encodePosition, ZERO_POSITION } from '../../shared/records/position.ts';
import type { Incoming } from '../streams/incoming.ts';
import type { TillTable, TillTables } from '../rows/till-tables.ts';
import type { TillHost } from '../till/till-host.ts';
import { waitForApp } from '../till/write-gate.ts';
import { FillEntries } from './fill-entries.ts';

/** In sync_meta: by local table. */
export const CENTRE_COLUMNS = 'centre_columns';

export interface KnownColumns {
  readonly columns: readonly string[];
  /** Of the record that said so, hex. */
  readonly at: string;
}

/** A record shows a table as it was not known. */
interface ColumnNews extends KnownColumns {
  readonly table: TillTable;
  readonly added: readonly string[];
}

export class CentreColumns {
  readonly #till: TillHost;
  readonly #known: Map<string, KnownColumns>;
  #checked = new WeakMap<TillTable, Set<CompiledSchema | null>>();

  constructor(till: TillHost) {
    this.#till = till;
    this.#known = new Map(
      Object.entries(JSON.parse(till.getMeta(CENTRE_COLUMNS) ?? '{}') as Record<string, KnownColumns>),
    );
  }

  /** Of a table that is only pulled no record ever comes: the centre is taken to have what the mapping says. */
  has({ local, mapping }: BoundTable, column: string): boolean {
    return mapping.direction === 'pull' || this.#known.get(local.name)?.columns.includes(column) === true;
  }

  /**
   * To be asked again before any of these records is applied, until there is nothing to learn.
   * @returns undefined: they show nothing new
   */
  learn(items: readonly Incoming[], tables: TillTables, signal?: AbortSignal): Promise<void> | undefined {
    const news = this.#newIn(items, tables);
    return news === undefined ? undefined : this.#enter(news, signal);
  }

  /** @param tables as they are bound at the time */
  async learnAll(items: readonly Incoming[], tables: () => TillTables): Promise<void> {
    const next = () => this.learn(items, tables());
    for (let wait = next(); wait !== undefined; wait = next()) await wait;
  }

  #newIn(items: readonly Incoming[], tables: TillTables): ColumnNews | undefined {
    for (const table of tables.all()) {
      if (table.bound.mapping.direction !== 'pull') continue;
      const found = this.#look(table, null, ZERO);
      if (found !== undefined) return found;
    }
    for (const { content, position } of items) {
      if (content.kind !== 'row' || content.frame.schema === null) continue;
      const table = tables.byCentral(content.frame.table);
      if (table === undefined || table.bound.mapping.direction === 'pull') continue;
      const found = this.#look(
        table,
        content.frame.schema,
        encodePosition(position ?? ZERO_POSITION).toString('hex'),
      );
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** @param schema null: the mapping speaks */
  #look(table: TillTable, schema: CompiledSchema | null, at: string): ColumnNews | undefined {
    const checked = this.#checked.get(table) ?? new Set();
    this.#checked.set(table, checked);
    if (checked.has(schema)) return undefined;
    const columns = table.bound.columns
      .filter(({ central }) => schema === null || schema.types.has(central))
      .map(({ local }) => local);
    const known = this.#known.get(table.name);
    const added = columns.filter((column) => known?.columns.includes(column) !== true);
    // A stream that is read again shows tables as they were, too.
    const isOlder = known !== undefined && at < known.at;
    if (added.length > 0)
      return {
        table,
        columns: isOlder ? [...known.columns, ...added] : columns,
        added,
        at: isOlder ? known.at : at,
      };
    if (!isOlder && known?.columns.length !== columns.length) return { table, columns, added, at };
    checked.add(schema);
    return undefined;
  }

  /** In short transactions, between which the app sells on; interrupted, or under another schema, it is done again. */
  async #enter({ table, columns, added, at }: ColumnNews, signal?: AbortSignal): Promise<void> {
    const till = this.#till;
    const { generation } = till;
    const isStale = () => till.generation !== generation || signal?.aborted === true;
    const groups = till.write(() => (isStale() ? [] : FillEntries.of(till.db, table, added)));
    for (const fills of groups)
      while (till.write(() => !isStale() && fills.next())) await waitForApp(till.gate, signal);
    const known = new Map(this.#known).set(table.name, { columns, at });
    const isKnown = till.write(() => {
      if (isStale()) return false;
      till.setMeta(CENTRE_COLUMNS, JSON.stringify(Object.fromEntries(known)));
      return true;
    });
    if (isKnown) this.#known.set(table.name, { columns, at });
  }
}
const ZERO = encodePosition(ZERO_POSITION).toString('hex');
