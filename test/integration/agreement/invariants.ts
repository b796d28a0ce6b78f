/** What must hold after every step at a till, and what must hold at the end. */
import { compareTill } from '../../../scripts/support/compare.ts';
import { parseMapping } from '../../../services/shared/mapping/mapping-parser.ts';
import type { Truth } from './play.ts';
import type { ModelTill } from './till.ts';
import type { World } from './world.ts';

interface ShownRow {
  readonly id: number;
  readonly server_id: number;
  readonly name: string;
  readonly stock: number | null;
}

interface History {
  readonly names: readonly string[];
  readonly stocks: readonly string[];
}

/** Watches one run; remembers how far in each row's history every till has been. */
export class Invariants {
  readonly #world: World;
  readonly #seen = new Map<string, { name: number; stock: number }>();

  constructor(world: World) {
    this.#world = world;
  }

  /** @throws Error naming till, row and what is wrong */
  async check(till: ModelTill): Promise<void> {
    assertNoneDoubled(till);
    // What the app wrote without triggers is not known yet.
    if (till.isUnseen) return;
    for (const table of ['items', 'tickets'] as const) await this.#neverBack(till, table);
  }

  async #neverBack(till: ModelTill, table: 'items' | 'tickets'): Promise<void> {
    const histories = await this.#histories(table);
    const stock = table === 'items' ? 'stock AS stock' : 'NULL AS stock';
    const rows = till.app
      .prepare<[], ShownRow>(
        `SELECT id AS id, server_id AS server_id, name AS name, ${stock} FROM ${table} WHERE server_id IS NOT NULL`,
      )
      .all();
    for (const row of rows) {
      const history = histories.get(String(row.server_id));
      if (history === undefined)
        throw new Error(`${till.setup.id}: ${table} ${row.server_id} was never at the centre`);
      const key = `${till.setup.id} ${table} ${row.server_id}`;
      const seen = this.#seen.get(key) ?? { name: 0, stock: 0 };
      const name = this.#placeOfName(till, table, row, history, seen.name, key);
      const stockPlace = table === 'items' ? this.#placeOfStock(till, row, history, seen.stock, key) : 0;
      this.#seen.set(key, { name, stock: stockPlace });
    }
  }

  /** A name with unsettled changes is the newest of them; any other is one the centre showed, and no older than before. */
  #placeOfName(
    till: ModelTill,
    table: string,
    row: ShownRow,
    history: History,
    seen: number,
    key: string,
  ): number {
    const open = openEdits(till, table, row.id).filter((edit) => edit.old_name !== edit.new_name);
    const newest = open.at(-1);
    if (newest !== undefined) {
      if (newest.new_name !== row.name)
        throw new Error(`${key}: shows ${row.name} although ${newest.new_name} is unsettled`);
      return seen;
    }
    const place = history.names.indexOf(row.name, seen);
    if (place >= 0) return place;
    if (history.names.includes(row.name)) throw new Error(`${key}: name went back to ${row.name}`);
    // Its own edit lost, and compaction took the image that says so; a newer one is still to be read.
    if (row.name.startsWith(`${till.setup.id}-`)) return seen;
    throw new Error(`${key}: shows ${row.name}, which the centre never did`);
  }

  /** Stock less what is unsettled is a stock the centre showed, and no older one than before. */
  #placeOfStock(till: ModelTill, row: ShownRow, history: History, seen: number, key: string): number {
    // Nothing of it has come yet: what is unsettled is on top of what was inserted, which the centre need not have shown.
    if (isInserting(till, row.id)) return seen;
    const open = openEdits(till, 'items', row.id).reduce(
      (sum, edit) => sum + Number(edit.new_stock ?? 0) - Number(edit.old_stock ?? 0),
      0,
    );
    const base = Number(row.stock) - open;
    const place = history.stocks.findIndex((value, index) => index >= seen && Number(value) === base);
    if (place < 0) {
      throw new Error(
        `${key}: shows stock ${row.stock} with ${open} unsettled; the centre had ${history.stocks.slice(seen).join(', ')}`,
      );
    }
    return place;
  }

  async #histories(table: string): Promise<Map<string, History>> {
    const found = await this.#world.pool.query<{ id: string; names: string[]; stocks: string[] }>(
      `SELECT id, array_agg(name ORDER BY place) AS names, array_agg(coalesce(stock, 0)::text ORDER BY place) AS stocks
         FROM history WHERE table_name = $1 GROUP BY id`,
      [table],
    );
    return new Map(found.rows.map((row) => [row.id, row]));
  }
}

/** @throws Error naming till, table and row */
export function assertNoneDoubled(till: ModelTill): void {
  for (const table of ['items', 'tickets', 'lines']) {
    const doubled = till.app
      .prepare<[], { server_id: number; copies: number }>(
        `SELECT server_id AS server_id, count(*) AS copies FROM ${table} WHERE server_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1`,
      )
      .get();
    if (doubled !== undefined)
      throw new Error(`${till.setup.id}: ${table} ${doubled.server_id} stands ${doubled.copies} times`);
  }
}

interface OpenEdit {
  readonly old_name: string | null;
  readonly new_name: string | null;
  readonly old_stock: number | null;
  readonly new_stock: number | null;
}

/** Of the row that has the key now: what was cut of it and is not answered. */
function openEdits({ agent: { apply, capture }, app }: ModelTill, table: string, rowKey: number): OpenEdit[] {
  apply.applyLocal();
  const handle = handleAt(app, table, rowKey);
  const changes = handle === undefined ? [] : capture.flight.ofRow(table, handle);
  return changes.flatMap(({ cut }) => {
    if (cut.op !== 'u') return [];
    const name = cut.edits.get('name');
    const sum = Number(cut.sums.get('stock') ?? 0);
    return [
      { old_name: shownText(name?.before), new_name: shownText(name?.after), old_stock: 0, new_stock: sum },
    ];
  });
}

function isInserting({ agent: { apply, capture }, app }: ModelTill, rowKey: number): boolean {
  apply.applyLocal();
  const handle = handleAt(app, 'items', rowKey);
  return handle !== undefined && capture.flight.ofRow('items', handle).some(({ op }) => op === 'c');
}

function handleAt(app: ModelTill['app'], table: string, rowKey: number): string | undefined {
  const sql = `SELECT central_id FROM sync_row_${table} WHERE row_key = ?`;
  return app.prepare<[number], string>(sql).pluck().get(rowKey);
}

function shownText(value: string | null | undefined): string | null {
  return value == null ? null : value.slice(1);
}

/** Settled: both sides equal at every till, nothing doubled at the centre, every ticket there that nobody deleted, or kept in a dead letter. */
export async function assertAgreement(world: World, truth: Truth): Promise<void> {
  for (const till of world.tills) {
    const { differences } = await compareTill({
      pool: world.pool,
      mapping: parseMapping(world.shop.mapping),
      terminalId: till.setup.id,
      storeId: till.setup.store,
      file: till.file,
    });
    const refused = await refusedRows(world, till);
    const wrong = differences.filter(
      ({ table, kind, row }) => kind !== 'not linked' || !refused.has(`${table} ${row}`),
    );
    if (wrong.length > 0) {
      const shown = wrong
        .slice(0, 5)
        .map(({ table, kind, row, detail }) => `${table} ${row} ${kind} ${detail}`);
      throw new Error(`${till.setup.id}: ${wrong.length} differences: ${shown.join(' | ')}`);
    }
  }
  const central = await world.pool.query<{ number: string; copies: number }>(
    'SELECT number, count(*)::int AS copies FROM tickets GROUP BY number',
  );
  const doubled = central.rows.filter(({ copies }) => copies > 1).map(({ number }) => number);
  const there = new Set(central.rows.map(({ number }) => number));
  const letters = await world.pool.query<{ changes: string }>('SELECT changes FROM payflow_sync.dead_letter');
  const kept = (number: string) => letters.rows.some(({ changes }) => changes.includes(`"${number}"`));
  const lost = [...truth.tickets].filter(
    (number) => !there.has(number) && !truth.deleted.has(number) && !kept(number),
  );
  if (doubled.length + lost.length > 0)
    throw new Error(`tickets doubled: ${doubled.join(' ')}; lost: ${lost.join(' ')}`);
}

/** Inserts that the centre refused (their ticket was deleted there, say): kept on the till, marked, and each in a dead letter. */
async function refusedRows(world: World, till: ModelTill): Promise<Set<string>> {
  const letters = await world.pool.query<{ changes: string }>(
    'SELECT changes FROM payflow_sync.dead_letter WHERE terminal_id = $1',
    [till.setup.id],
  );
  const rows = ['items', 'tickets', 'lines'].flatMap((table) =>
    till.app
      .prepare<[], { id: number; local_id: string }>(
        `SELECT id AS id, local_id AS local_id FROM ${table} WHERE sync_status = 'rejected' AND server_id IS NULL`,
      )
      .all()
      .map((row) => ({ table, ...row })),
  );
  return new Set(
    rows
      .filter(({ local_id: identity }) => letters.rows.some(({ changes }) => changes.includes(identity)))
      .map(({ table, id }) => `${table} ${id}`),
  );
}
