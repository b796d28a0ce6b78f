/** What a till of the other shop does to items, their variants and groups. */
import { ITEM_COLUMNS } from './tables.ts';
import { TillApp } from './till-app.ts';

export class TillCatalog extends TillApp {
  protected newItem(): void {
    const columns = ITEM_COLUMNS.filter(
      ({ till }) => ['Label', 'price_cents'].includes(till) || this.dice.chance(0.7),
    );
    const group = this.any('SELECT id FROM "group"') ?? null;
    const uuid = this.dice.chance(0.5) ? this.dice.uuid() : null;
    this.run(
      `INSERT INTO "select" (tag, local_id, "group", stock, "updatedAt", ${columns.map(({ till }) => `"${till}"`).join(', ')})
       VALUES (?, ?, ?, ?, ?${', ?'.repeat(columns.length)})`,
      this.dice.tag(),
      uuid,
      group,
      BigInt(this.dice.below(100)),
      this.now(),
      ...columns.map(({ kind }) => this.value(kind)),
    );
  }

  protected editItem(): void {
    const item = this.item();
    if (item === undefined) return;
    const columns = this.dice.some(ITEM_COLUMNS, 4);
    const sets = columns.map(({ till }) => `"${till}" = ?`);
    // Half of the app says when; the other half leaves it to the app's own trigger.
    const stamp = this.dice.chance(0.5);
    const stock = this.dice.chance(0.3) ? `, stock = stock + ${this.dice.below(9) - 4}.5` : '';
    this.run(
      `UPDATE "select" SET ${sets.join(', ')}${stock}${stamp ? ', "updatedAt" = ?' : ''} WHERE "Item No" = ?`,
      ...columns.map(({ kind }) => this.value(kind)),
      ...(stamp ? [this.now()] : []),
      item,
    );
  }

  protected markItem(): void {
    const item = this.any(
      `SELECT "Item No" FROM "select" WHERE "Item No" NOT IN (SELECT item FROM "Sale's ""lines""")`,
    );
    if (item === undefined) return;
    this.run(
      `UPDATE "select" SET is_deleted = 1 - is_deleted, "updatedAt" = ? WHERE "Item No" = ?`,
      this.now(),
      item,
    );
  }

  protected newVariant(): void {
    const item = this.any(`SELECT server_id FROM "select" WHERE server_id IS NOT NULL`);
    if (item === undefined) return;
    const id = this.dice.uuid();
    this.run(
      `INSERT INTO variants (id, tag, item_server_id, names, extra, updated_at) VALUES (?, ?, ?, ?, ?, ?)`,
      id,
      this.dice.tag(),
      item,
      this.value('texts') ?? '[]',
      this.value('nullableText'),
      this.now(),
    );
    if (this.dice.chance(0.7)) this.run(`UPDATE "select" SET main_variant = ? WHERE server_id = ?`, id, item);
  }

  /** Both point at each other from the first statement on; the variant names what the centre has not seen. */
  protected newPair(): void {
    const known = this.any(`SELECT server_id FROM "select" WHERE server_id IS NOT NULL`);
    if (known === undefined) return;
    const [uuid, tag, variant] = [this.dice.uuid(), this.dice.tag(), this.dice.uuid()];
    this.run(
      `INSERT INTO "select" (tag, local_id, "Label", price_cents, main_variant, "updatedAt") VALUES (?, ?, 'pair', 5, ?, ?)`,
      tag,
      uuid,
      variant,
      this.now(),
    );
    const next = BigInt(
      this.any(`SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'group'`) as bigint,
    );
    const group = `INSERT INTO "group" (id, tag, slug, "Name", "parent", changed) VALUES (?, ?, ?, ?, ?, 7)`;
    this.run(group, next, `${tag}-a`, `slug ${tag}-a`, 'first', next + 1n);
    this.run(group, next + 1n, `${tag}-b`, `slug ${tag}-b`, 'second', next);
    this.run(
      `INSERT INTO variants (id, tag, item_server_id, updated_at) VALUES (?, ?, ?, ?)`,
      variant,
      this.dice.tag(),
      known,
      this.now(),
    );
  }

  protected editVariant(): void {
    const id = this.any('SELECT id FROM variants');
    if (id === undefined) return;
    this.run(
      `UPDATE OR REPLACE variants SET names = ?, updated_at = ? WHERE id = ?`,
      this.value('texts') ?? '[]',
      this.now(),
      id,
    );
  }

  protected group(): void {
    const id = this.any('SELECT id FROM "group"') ?? null;
    const seconds = BigInt(Math.floor(Date.now() / 1000));
    if (id === null || this.dice.chance(0.3)) {
      const tag = this.dice.tag();
      this.run(
        `INSERT INTO "group" (tag, slug, "Name", "parent", changed) VALUES (?, ?, ?, ?, ?)`,
        tag,
        `Slug ${tag}`,
        this.value('label'),
        id,
        seconds,
      );
      return;
    }
    // Its own grandparent is legal for both databases.
    const parent = this.any('SELECT id FROM "group"') ?? null;
    this.run(
      `UPDATE "group" SET "Name" = ?, "parent" = ?, changed = ? WHERE id = ?`,
      this.value('label'),
      this.dice.chance(0.2) ? null : parent,
      seconds,
      id,
    );
  }
}
