/**
 * Three stores, and tills that name any row of any store in any way: whatever they send, alone or in one group
 * with another store's till, the rows of the others stay as they were, byte for byte, and no link comes into
 * being to one of them. A failing run says its seed.
 */
import { describe, expect, test } from 'vitest';
import { useCentre } from '../../../support/apply-site.ts';
import type { ChangeSpec, FakeTill, Values } from '../../../support/centre.ts';
import { seededRandom } from '../../../support/random.ts';
import {
  BRANCH_MAPPING,
  BRANCH_SCHEMA,
  BRANCH_TABLES,
  branchRows,
  type BranchRow,
  type BranchTable,
} from './branch-books.ts';

const SEEDS = [1, 2, 3, 5, 8, 13];
const GROUPS = 60;
const STORES = ['S1', 'S2', 'S3'] as const;
type Store = (typeof STORES)[number];

const centre = useCentre(BRANCH_SCHEMA, BRANCH_MAPPING);

/** Text columns that a till may write, and references, with the table each points to. */
const COLUMNS: Record<BranchTable, { text: readonly string[]; to: Readonly<Record<string, BranchTable>> }> = {
  staff: { text: ['name', 'branch'], to: {} },
  accounts: {
    text: ['title', 'code', 'branch', 'opened_by'],
    to: { keeper_id: 'staff', heir_id: 'accounts' },
  },
  folders: { text: ['name', 'note'], to: { account_id: 'accounts' } },
  pages: { text: ['body'], to: { folder_id: 'folders' } },
  lines: { text: ['body'], to: { page_id: 'pages' } },
  labels: { text: ['colour', 'name', 'branch'], to: {} },
  stamps: { text: ['body', 'branch'], to: {} },
};

interface Player {
  readonly store: Store;
  readonly till: FakeTill;
  /** Identities that it has used, by table. */
  readonly used: Map<BranchTable, string[]>;
}

class Mischief {
  readonly #random: () => number;
  #made = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  chance(of: number): boolean {
    return this.#random() < of;
  }

  pick<T>(from: readonly T[]): T {
    const found = from[Math.floor(this.#random() * from.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }

  unit(player: Player, rows: readonly BranchRow[]): ChangeSpec[] {
    return Array.from({ length: 1 + Math.floor(this.#random() * 4) }, () => this.#change(player, rows));
  }

  #change(player: Player, rows: readonly BranchRow[]): ChangeSpec {
    const table = this.pick(BRANCH_TABLES);
    const op = this.pick(['c', 'c', 'c', 'r', 'u', 'u', 'u', 'd'] as const);
    const isNew = op === 'c' || op === 'r';
    const row = isNew && this.chance(0.8) ? this.#newRow(player, table) : this.#anyRow(player, table, rows);
    const atMs = Date.now() + Math.floor(this.#random() * 1000);
    if (op === 'd') return { op, table, row, atMs };
    const references = this.#references(player, table, rows, isNew);
    return { op, table, row, new: this.#values(player, table, rows, isNew), references, atMs };
  }

  #newRow({ used }: Player, table: BranchTable): string {
    this.#made += 1;
    const identity = `row-${this.#made}`;
    used.set(table, [...(used.get(table) ?? []), identity]);
    return identity;
  }

  /** One of its own, or any there is, or a number that the next row will get. */
  #anyRow({ used }: Player, table: BranchTable, rows: readonly BranchRow[]): ChangeSpec['row'] {
    const own = used.get(table) ?? [];
    if (own.length > 0 && this.chance(0.4)) return this.pick(own);
    const there = rows.filter((row) => row.table === table);
    if (there.length === 0) return { identity: 'nobody', centralId: null };
    const { id } = this.pick(there);
    const centralId = /^\d+$/.test(id) && this.chance(0.15) ? String(Number(id) + 1) : id;
    return { identity: this.chance(0.3) ? `stolen-${table}-${centralId}` : '', centralId };
  }

  #references(player: Player, table: BranchTable, rows: readonly BranchRow[], isNew: boolean) {
    const named = Object.entries(COLUMNS[table].to).filter(() => this.chance(isNew ? 0.85 : 0.4));
    return Object.fromEntries(
      named.map(([column, to]) => [column, this.chance(0.05) ? null : this.#anyRow(player, to, rows)]),
    );
  }

  #values({ store }: Player, table: BranchTable, rows: readonly BranchRow[], isNew: boolean): Values {
    const values: Record<string, string | bigint | null> = {};
    for (const column of COLUMNS[table].text) {
      if (!this.chance(isNew ? 0.7 : 0.5)) continue;
      if (column === 'branch') values[column] = this.chance(0.5) ? store : this.pick([...STORES, null]);
      else if (column === 'code') values[column] = `code-${Math.floor(this.#random() * 12)}`;
      else values[column] = `${column} of ${store} ${Math.floor(this.#random() * 5)}`;
    }
    if (table === 'staff' && isNew) values['name'] ??= 'somebody';
    if (table === 'labels' && isNew) values['name'] = `label ${Math.floor(this.#random() * 4)}`;
    if (table === 'lines' && isNew) values['no'] = BigInt(Math.floor(this.#random() * 3));
    if (table === 'stamps' && isNew) {
      const there = rows.filter((row) => row.table === 'stamps');
      const known = there.length > 0 && this.chance(0.4) ? this.pick(there).id : null;
      this.#made += 1;
      values['id'] = known ?? `00000000-0000-4000-8000-${String(this.#made).padStart(12, '0')}`;
    }
    return values;
  }
}

const nameOf = ({ table, id }: { table: string; id: string }) => `${table} ${id}`;

async function linksOf(stores: ReadonlyMap<string, Store>): Promise<Map<string, Store>> {
  const links = await centre.all<{ terminal: string; table: string; id: string }>(
    'SELECT terminal_id AS terminal, table_name AS table, central_id AS id FROM payflow_sync.link',
  );
  return new Map(
    links.flatMap(({ terminal, ...row }) => {
      const store = stores.get(terminal);
      return store === undefined ? [] : [[`${terminal} ${nameOf(row)}`, store] as const];
    }),
  );
}

/** Head office does as it likes: moves accounts and staff, and takes their store away. */
async function headOffice(mischief: Mischief, rows: readonly BranchRow[]): Promise<void> {
  const movable = rows.filter(({ table }) => table === 'accounts' || table === 'staff');
  if (movable.length === 0) return;
  const { table, id } = mischief.pick(movable);
  await centre.pool.query(`UPDATE ${table} SET branch = $2 WHERE id = $1`, [
    id,
    mischief.pick([...STORES, ...STORES, null]),
  ]);
}

async function players(): Promise<Player[]> {
  const found: Player[] = [];
  for (const store of STORES) {
    for (let each = 0; each < 2; each += 1) {
      found.push({ store, till: await centre.newTill({ storeId: store }), used: new Map() });
    }
  }
  return found;
}

async function play(seed: number): Promise<{ applied: number; rejected: number }> {
  const mischief = new Mischief(seededRandom(seed));
  const all = await players();
  const stores = new Map(all.map(({ till, store }) => [till.terminal, store]));
  const done = { applied: 0, rejected: 0 };
  for (let group = 0; group < GROUPS; group += 1) {
    if (mischief.chance(0.3)) await headOffice(mischief, await branchRows(centre));
    const before = await branchRows(centre);
    const linksBefore = await linksOf(stores);
    const senders = mischief.chance(0.7) ? [mischief.pick(all)] : [mischief.pick(all), mischief.pick(all)];
    const records = senders.map((sender) =>
      sender.till.stored(centre.nextOffset(), [sender.till.unit(...mischief.unit(sender, before))]),
    );
    const { outcomes } = await centre.apply.applyRecords(0, records);
    done.applied += outcomes.get('applied') ?? 0;
    done.rejected += outcomes.get('rejected') ?? 0;
    const after = new Map((await branchRows(centre)).map((row) => [nameOf(row), row]));
    const mine = new Set<string>(senders.map(({ store }) => store));
    const terminals = new Set(senders.map(({ till }) => till.terminal));
    for (const row of before) {
      const linked = [...linksBefore.keys()].some((link) =>
        [...terminals].some((terminal) => link === `${terminal} ${nameOf(row)}`),
      );
      const isTheirs = row.branch === null ? linked : mine.has(row.branch);
      if (!isTheirs) expect(after.get(nameOf(row)), `seed ${seed}, group ${group}`).toEqual(row);
    }
    const known = new Set(before.map(nameOf));
    for (const [name, { branch }] of after) {
      if (branch !== null && !known.has(name)) expect([...mine], `seed ${seed}, ${name}`).toContain(branch);
    }
    for (const [link, store] of await linksOf(stores)) {
      const branch = after.get(link.slice(link.indexOf(' ') + 1))?.branch;
      const isNew = !linksBefore.has(link) && branch !== undefined && branch !== null;
      if (isNew) expect(branch, `seed ${seed}, ${link}`).toBe(store);
    }
  }
  return done;
}

describe('whatever tills send, the rows of other stores stay as they were', () => {
  test.each(SEEDS)('seed %i', async (seed) => {
    const { applied, rejected } = await play(seed);
    // Else the run would prove nothing.
    expect(applied).toBeGreaterThan(GROUPS / 4);
    expect(rejected).toBeGreaterThan(GROUPS / 4);
  });
});
