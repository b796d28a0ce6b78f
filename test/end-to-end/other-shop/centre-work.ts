/** What head office of the other shop does, in plain SQL. */
import { DatabaseError, type Pool, type PoolClient } from 'pg';
import type { Dice } from './dice.ts';
import { kindOf, type KindName } from './kinds.ts';
import { ITEM_COLUMNS } from './tables.ts';

type Action = () => Promise<unknown>;
type Text = string | null;

const DEADLOCK_DETECTED = '40P01';
const FLAG_NAMES = [
  'plain',
  'say "hi"',
  '',
  ' ',
  `it's; DROP TABLE flags--`,
  'a:b',
  '~tilde',
  '{"a":1}',
  '🎉',
];

export class CentreWork {
  readonly #pool: Pool;
  readonly #dice: Dice;
  readonly #stores: readonly string[];
  readonly #actions: readonly (readonly [weight: number, action: Action])[];
  /** From one store to another. */
  hasMovedSales = false;
  #client: PoolClient | null = null;

  constructor(pool: Pool, dice: Dice, stores: readonly string[]) {
    this.#pool = pool;
    this.#dice = dice;
    this.#stores = stores;
    this.#actions = [
      [2, () => this.newItem()],
      [6, () => this.#editItem()],
      [2, () => this.newVariant()],
      [2, () => this.group()],
      [2, () => this.priceList()],
      [2, () => this.sale()],
      [3, () => this.#editSale()],
      [2, () => this.#editLine()],
      [2, () => this.#note()],
      [3, () => this.#movement()],
      [4, () => this.#counter()],
      [2, () => this.flag()],
      [3, () => this.member()],
      [1, () => this.#branch()],
    ];
  }

  /** One thing in a transaction of its own; sometimes several in one. */
  async step(): Promise<void> {
    await this.inTransaction(async () => {
      for (let times = this.#dice.chance(0.2) ? 5 : 1; times > 0; times -= 1) {
        let at = this.#dice.below(this.#actions.reduce((sum, [weight]) => sum + weight, 0));
        const found = this.#actions.find(([weight]) => (at -= weight) < 0);
        await found?.[1]();
      }
    });
  }

  /** Again where it and central-apply wait for each other, as whoever changes rows in any order has to. */
  async inTransaction(work: () => Promise<unknown>): Promise<void> {
    while (!(await this.#committed(work)));
  }

  /** @returns false: PostgreSQL has ended it as the victim of a deadlock */
  async #committed(work: () => Promise<unknown>): Promise<boolean> {
    const client = await this.#pool.connect();
    this.#client = client;
    try {
      await client.query('BEGIN');
      await work();
      await client.query('COMMIT');
      return true;
    } catch (error) {
      await client.query('ROLLBACK');
      if (error instanceof DatabaseError && error.code === DEADLOCK_DETECTED) return false;
      throw error;
    } finally {
      this.#client = null;
      client.release();
    }
  }

  async run(sql: string, ...values: readonly Text[]): Promise<void> {
    await this.#query(sql, values);
  }

  async #query(sql: string, values: readonly Text[]): Promise<Text[]> {
    if (this.#client === null) throw new Error('outside a transaction');
    const { rows } = await this.#client.query<Text[]>({ text: sql, values: [...values], rowMode: 'array' });
    return rows.map((row) => row[0] ?? null);
  }

  async #any(sql: string, ...values: readonly Text[]): Promise<Text> {
    const found = await this.#query(sql, values);
    return found.length === 0 ? null : this.#dice.one(found);
  }

  #value(kind: KindName): Text {
    return this.#dice.one<Text>(kindOf(kind).centre);
  }

  async newItem(): Promise<void> {
    const columns = ITEM_COLUMNS.filter(
      ({ till }) => ['Label', 'price_cents'].includes(till) || this.#dice.chance(0.7),
    );
    await this.run(
      `INSERT INTO items (tag, "group", stock, ${columns.map(({ centre }) => `"${centre}"`).join(', ')})
       VALUES ($1, $2, $3${columns.map((_, at) => `, $${at + 4}`).join('')})`,
      this.#dice.tag(),
      await this.#any('SELECT id FROM "Ops"."Group Of Items"'),
      String(this.#dice.below(50)),
      ...columns.map(({ kind }) => this.#value(kind)),
    );
  }

  async #editItem(): Promise<void> {
    const columns = this.#dice.some(ITEM_COLUMNS, 4);
    const stock = this.#dice.chance(0.3) ? `, stock = stock + ${this.#dice.below(9) - 4}.25` : '';
    const marked = this.#dice.chance(0.1) ? ', is_deleted = NOT is_deleted' : '';
    await this.run(
      `UPDATE items SET ${columns.map(({ centre }, at) => `"${centre}" = $${at + 2}`).join(', ')}${stock}${marked} WHERE id = $1`,
      await this.#any('SELECT id FROM items'),
      ...columns.map(({ kind }) => this.#value(kind)),
    );
  }

  async newVariant(): Promise<void> {
    const item = await this.#any('SELECT id FROM items');
    const id = this.#dice.uuid();
    await this.run(
      `INSERT INTO variants (id, tag, item, "Names", extra, updated_at) VALUES ($1, $2, $3, coalesce($4::text[], '{}'), $5, now())`,
      id,
      this.#dice.tag(),
      item,
      this.#value('texts'),
      this.#value('nullableText'),
    );
    if (this.#dice.chance(0.5)) await this.run('UPDATE items SET main_variant = $1 WHERE id = $2', id, item);
  }

  async group(): Promise<void> {
    const tag = this.#dice.tag();
    const parent = await this.#any('SELECT id FROM "Ops"."Group Of Items"');
    if (parent === null || this.#dice.chance(0.4))
      await this.run(
        `INSERT INTO "Ops"."Group Of Items" (tag, slug, "Name", parent) VALUES ($1, $2, $3, $4)`,
        tag,
        `slug ${tag}`,
        this.#value('label'),
        parent,
      );
    else
      await this.run(
        `UPDATE "Ops"."Group Of Items" SET "Name" = $2, changed = now() WHERE id = $1`,
        parent,
        this.#value('label'),
      );
  }

  async priceList(): Promise<void> {
    const what = this.#dice.below(4);
    const item = await this.#any('SELECT id FROM items');
    const day = this.#dice.one(['2026-01-01', '2026-02-02', '0001-01-01']);
    if (what === 3)
      await this.run('DELETE FROM "Ops".price_list WHERE valid_from = $1 AND item = $2', day, item);
    else if (what === 2)
      await this.run(
        `UPDATE "Ops".price_list SET valid_from = valid_from + 1000 WHERE item = $1 AND NOT EXISTS
         (SELECT 1 FROM "Ops".price_list p WHERE p.item = $1 AND p.valid_from > '2026-06-06')`,
        item,
      );
    else
      await this.run(
        `INSERT INTO "Ops".price_list VALUES ($1, $2, $3) ON CONFLICT (item, valid_from) DO UPDATE SET price = excluded.price`,
        item,
        day,
        this.#value('price'),
      );
  }

  async sale(): Promise<void> {
    const tag = this.#dice.tag();
    await this.run(
      `INSERT INTO "Ops"."Sale" (tag, branch, till, sold_at, wall_time, day, total, origin, updated_at)
       VALUES ($1, $2, 'office', $3, $4, $5, $6, 'the office', now())`,
      tag,
      this.#dice.one(this.#stores),
      this.#value('epochMs'),
      this.#value('wall'),
      this.#value('day'),
      this.#value('cents'),
    );
    const sale = await this.#any('SELECT id FROM "Ops"."Sale" WHERE tag = $1', tag);
    for (let lines = this.#dice.below(3); lines >= 0; lines -= 1) {
      const line = this.#dice.uuid();
      await this.run(
        'INSERT INTO lines (id, tag, sale, item, qty) VALUES ($1, $2, $3, $4, 1.5)',
        line,
        this.#dice.tag(),
        sale,
        await this.#any('SELECT id FROM items'),
      );
      await this.run(
        'INSERT INTO "Ops".line_notes (tag, line, note) VALUES ($1, $2, $3)',
        this.#dice.tag(),
        line,
        this.#value('nullableText'),
      );
    }
  }

  /** Also from one store to another, with all that hangs on it. */
  async #editSale(): Promise<void> {
    const id = await this.#any('SELECT id FROM "Ops"."Sale"');
    if (this.#dice.chance(0.4)) {
      this.hasMovedSales = true;
      await this.run('UPDATE "Ops"."Sale" SET branch = $2 WHERE id = $1', id, this.#dice.one(this.#stores));
    } else
      await this.run(
        'UPDATE "Ops"."Sale" SET sold_at = $2, wall_time = $3, total = $4, updated_at = now() WHERE id = $1',
        id,
        this.#value('epochMs'),
        this.#value('wall'),
        this.#value('cents'),
      );
  }

  async #editLine(): Promise<void> {
    const set = this.#dice.one(['qty = 7', 'deleted_at = now()', 'deleted_at = NULL', 'variant = NULL']);
    await this.run(
      `UPDATE lines SET ${set}, updated_at = now() WHERE id = $1`,
      await this.#any('SELECT id FROM lines'),
    );
  }

  async #note(): Promise<void> {
    const id = await this.#any('SELECT id FROM "Ops".line_notes');
    if (this.#dice.chance(0.3)) await this.run('DELETE FROM "Ops".line_notes WHERE id = $1', id);
    else
      await this.run('UPDATE "Ops".line_notes SET note = $2 WHERE id = $1', id, this.#value('nullableText'));
  }

  async #movement(): Promise<void> {
    const tag = await this.#any('SELECT tag FROM "Ops".movement');
    const what = tag === null ? 0 : this.#dice.below(4);
    if (what === 0)
      await this.run(
        'INSERT INTO "Ops".movement (happened_on, tag, branch, item, amount) VALUES ($1, $2, $3, $4, $5)',
        this.#value('neverDate'),
        this.#dice.tag(),
        this.#dice.one(this.#stores),
        await this.#any('SELECT id FROM items'),
        this.#value('amount'),
      );
    else if (what === 1)
      await this.run('UPDATE "Ops".movement SET amount = $2 WHERE tag = $1', tag, this.#value('amount'));
    // Sometimes into the other partition.
    else if (what === 2)
      await this.run(
        'UPDATE "Ops".movement SET happened_on = $2 WHERE tag = $1',
        tag,
        this.#value('neverDate'),
      );
    else await this.run('DELETE FROM "Ops".movement WHERE tag = $1', tag);
  }

  async #counter(): Promise<void> {
    const what = this.#dice.below(4);
    const [branch, no] = [this.#dice.one(this.#stores), String(900 + this.#dice.below(5))];
    const any = await this.#any('SELECT "No"::text FROM "Ops".counters WHERE branch = $1', branch);
    if (what === 0) await this.run('DELETE FROM "Ops".counters WHERE branch = $1 AND "No" = $2', branch, any);
    else if (what === 1)
      await this.run(
        'UPDATE "Ops".counters SET "Value" = $3, updated_at = now() WHERE branch = $1 AND "No" = $2',
        branch,
        any,
        this.#value('bigint'),
      );
    else
      await this.run(
        `INSERT INTO "Ops".counters VALUES ($1, $2, $3, $4, now()) ON CONFLICT (branch, "No") DO UPDATE SET who = excluded.who`,
        branch,
        no,
        this.#value('bigint'),
        this.#value('nullableText'),
      );
  }

  async flag(): Promise<void> {
    const [name, other] = [this.#dice.one(FLAG_NAMES), this.#dice.one(FLAG_NAMES)];
    const what = this.#dice.below(4);
    if (what === 0) await this.run(`DELETE FROM "Ops".flags WHERE "say ""hi""" = $1`, name);
    else if (what === 1)
      await this.run(
        `UPDATE "Ops".flags SET "say ""hi""" = $2 WHERE "say ""hi""" = $1
            AND NOT EXISTS (SELECT 1 FROM "Ops".flags WHERE "say ""hi""" = $2)`,
        name,
        other,
      );
    else
      await this.run(
        `INSERT INTO "Ops".flags VALUES ($1, $2, $3) ON CONFLICT ("say ""hi""") DO UPDATE SET settings = excluded.settings, "On" = excluded."On"`,
        name,
        this.#value('boolean'),
        this.#value('settings'),
      );
  }

  async member(): Promise<void> {
    const tag = this.#dice.tag();
    if (this.#dice.chance(0.4))
      await this.run(
        `INSERT INTO "Ops".members (tag, card, "E-Mail", points, updated_at) VALUES ($1, $2, $3, $4, now())`,
        tag,
        `C ${tag}`,
        this.#value('nullableText'),
        this.#value('count'),
      );
    else
      await this.run(
        `UPDATE "Ops".members SET "E-Mail" = $2, is_deleted = $3, updated_at = now() WHERE id = $1`,
        await this.#any('SELECT id FROM "Ops".members'),
        this.#value('nullableText'),
        this.#value('boolean'),
      );
  }

  async #branch(): Promise<void> {
    await this.run(
      `UPDATE "Ops"."Branch" SET "Opened On" = $2, "Geo" = $3, colours = $4, logo = $5, latitude = $6 WHERE code = $1`,
      this.#dice.one(this.#stores),
      this.#value('date'),
      this.#value('jsonb'),
      this.#value('texts'),
      this.#value('bytes'),
      this.#value('double'),
    );
  }
}
