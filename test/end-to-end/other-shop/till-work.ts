/** What the cashiers of one till of the other shop do, at random. */
import type { Dice } from './dice.ts';
import type { Stored } from './kinds.ts';
import { TillCatalog } from './till-catalog.ts';

type Action = () => void;

export class TillWork extends TillCatalog {
  protected readonly store: string;
  protected readonly place: number;
  protected readonly actions: readonly (readonly [weight: number, action: Action])[];

  /** @param place tells this till's counters from those of its neighbours */
  constructor(file: string, { dice, store, place }: { dice: Dice; store: string; place: number }) {
    super(file, dice);
    this.store = store;
    this.place = place;
    this.actions = [
      [2, () => this.newItem()],
      [6, () => this.editItem()],
      [1, () => this.markItem()],
      [2, () => this.newVariant()],
      [1, () => this.newPair()],
      [2, () => this.editVariant()],
      [2, () => this.group()],
      [5, () => this.sell()],
      [3, () => this.editLine()],
      [3, () => this.note()],
      [2, () => this.movement()],
      [5, () => this.counter()],
      [2, () => this.journal()],
      [3, () => this.member()],
      [1, () => this.editPushed()],
      [1, () => this.nothingInTheEnd()],
      [1, () => this.editSale()],
    ];
  }

  /** One thing that a cashier or the app does, in a transaction of its own. */
  step(): void {
    const total = this.actions.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.dice.below(total);
    const [, action] = this.actions.find(([weight]) => (at -= weight) < 0) ?? [0, () => undefined];
    this.db
      .transaction(() => {
        this.db.pragma('defer_foreign_keys = ON');
        action();
      })
      .immediate();
  }

  /** Sometimes the lines come before the sale: this app has foreign keys checked at the end. */
  protected sell(): void {
    const linesFirst = this.dice.chance(0.3);
    const sale =
      this.any('SELECT 1 + coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?', 'Sales') ?? 1n;
    if (!linesFirst) this.sale(sale);
    this.lines(sale);
    if (linesFirst) this.sale(sale);
  }

  protected sale(id: Stored): void {
    this.run(
      `INSERT INTO "Sales" (id, tag, "When", wall, day, total, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      id,
      this.dice.tag(),
      this.value('epochMs'),
      this.value('wall'),
      this.value('day'),
      this.value('cents'),
      this.now(),
    );
  }

  protected lines(sale: Stored): void {
    for (let lines = this.dice.below(4); lines >= 0; lines -= 1) {
      const item = this.item();
      if (item === undefined) continue;
      const line = this.dice.uuid();
      this.run(
        `INSERT INTO "Sale's ""lines""" (local_id, tag, sale, item, variant, qty, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
        line,
        this.dice.tag(),
        sale,
        item,
        this.dice.chance(0.5) ? null : (this.any('SELECT id FROM variants') ?? null),
        this.dice.one<Stored>([1n, 2n, 0.125, 2.5]),
        this.now(),
      );
      if (this.dice.chance(0.4))
        this.run(
          `INSERT INTO line_notes (tag, line_uuid, note) VALUES (?, ?, ?)`,
          this.dice.tag(),
          line,
          this.value('nullableText'),
        );
    }
  }

  protected editSale(): void {
    const id = this.any('SELECT id FROM "Sales"');
    if (id === undefined) return;
    this.run(
      `UPDATE "Sales" SET total = ?, day = ?, updated_at = ? WHERE id = ?`,
      this.value('cents'),
      this.value('day'),
      this.now(),
      id,
    );
  }

  protected editLine(): void {
    const id = this.any(`SELECT local_id FROM "Sale's ""lines"""`);
    if (id === undefined) return;
    if (this.dice.chance(0.15)) {
      this.run(`DELETE FROM "Sale's ""lines""" WHERE local_id = ?`, id);
      return;
    }
    const set = this.dice.one([
      `qty = 3`,
      `qty = 0.5`,
      `deleted_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`,
      `deleted_at = NULL`,
      `variant = NULL`,
    ]);
    this.run(`UPDATE "Sale's ""lines""" SET ${set}, updated_at = ? WHERE local_id = ?`, this.now(), id);
  }

  /** Notes have no AUTOINCREMENT: the number of a deleted one is given out again. */
  protected note(): void {
    const nr = this.any('SELECT nr FROM line_notes');
    const line = this.any(`SELECT local_id FROM "Sale's ""lines"""`);
    if (line === undefined) return;
    const insert = (verb: string, key: Stored, tag: Stored) =>
      this.run(
        `${verb} INTO line_notes (nr, tag, line_uuid, note) VALUES (?, ?, ?, ?)`,
        key,
        tag,
        line,
        this.value('nullableText'),
      );
    if (nr === undefined) {
      insert('INSERT', null, this.dice.tag());
      return;
    }
    const tag = this.any('SELECT tag FROM line_notes WHERE nr = ?', nr) ?? null;
    const what = this.dice.below(5);
    if (what === 0) insert('REPLACE', nr, tag);
    else if (what === 1) insert('INSERT OR IGNORE', nr, this.dice.tag());
    else if (what === 2)
      this.run('UPDATE line_notes SET note = ? WHERE nr = ?', this.value('nullableText'), nr);
    else {
      this.run('DELETE FROM line_notes WHERE nr = (SELECT max(nr) FROM line_notes)');
      if (what === 3) insert('INSERT', null, this.dice.tag());
    }
  }

  protected movement(): void {
    const id = this.any('SELECT id FROM movement');
    const item = this.item();
    if (item === undefined) return;
    const what = id === undefined ? 0 : this.dice.below(3);
    if (what === 0)
      this.run(
        `INSERT INTO movement (happened_on, tag, item, amount) VALUES (?, ?, ?, ?)`,
        this.value('neverDate'),
        this.dice.tag(),
        item,
        this.value('amount'),
      );
    else if (what === 1) this.run('DELETE FROM movement WHERE id = ?', id ?? null);
    else if (what === 2)
      this.run(
        'UPDATE movement SET amount = ?, item = ? WHERE id = ?',
        this.value('amount'),
        item,
        id ?? null,
      );
    else this.run('UPDATE movement SET happened_on = ? WHERE id = ?', this.value('neverDate'), id ?? null);
  }

  protected counter(): void {
    const no = BigInt(this.place * 100 + this.dice.below(8));
    const [value, who, now] = [this.value('bigint'), this.value('nullableText'), this.now()];
    const row = [this.store, no, value, who, now];
    const into = (verb: string, rest = '') =>
      this.run(
        `${verb} INTO counters (branch, "No", "Value", who, updated_at) VALUES (?, ?, ?, ?, ?)${rest}`,
        ...row,
      );
    const what = this.dice.below(6);
    if (what === 0) into('REPLACE');
    else if (what === 1) into('INSERT OR IGNORE');
    else if (what === 2)
      into(
        'INSERT',
        ` ON CONFLICT (branch, "No") DO UPDATE SET "Value" = excluded."Value", updated_at = excluded.updated_at`,
      );
    else if (what === 3) this.run('DELETE FROM counters WHERE branch = ? AND "No" = ?', this.store, no);
    else if (what === 4) {
      this.run('DELETE FROM counters WHERE branch = ? AND "No" = ?', this.store, no);
      into('INSERT');
    } else
      this.run(
        'UPDATE counters SET who = ?, updated_at = ? WHERE branch = ? AND "No" = ?',
        who,
        now,
        this.store,
        no,
      );
  }

  protected journal(): void {
    const id = this.any('SELECT id FROM "Journal"');
    const what = id === undefined ? 0 : this.dice.below(3);
    if (what === 0)
      this.run(
        `INSERT INTO "Journal" (tag, said, terminal_id) VALUES (?, ?, 'mine')`,
        this.dice.tag(),
        this.value('text'),
      );
    else if (what === 1)
      this.run(`UPDATE "Journal" SET said = ? WHERE id = ?`, this.value('text'), id ?? null);
    else this.run(`DELETE FROM "Journal" WHERE id = ?`, id ?? null);
  }

  protected member(): void {
    const id = this.any('SELECT id FROM members');
    const what = id === undefined ? 0 : this.dice.below(7);
    const tag = this.dice.tag();
    if (what === 0)
      this.run(
        `INSERT INTO members (local_id, tag, card, email, points, updated_at) VALUES (?, ?, ?, ?, ?, ?)`,
        this.dice.one<Stored>([null, this.dice.uuid(), 'short']) === 'short'
          ? `short ${tag}`
          : this.dice.uuid(),
        tag,
        `C ${tag}`,
        this.value('nullableText'),
        this.value('count'),
        this.now(),
      );
    else if (what === 1)
      this.run(`UPDATE members SET id = (SELECT max(id) + 5 FROM members) WHERE id = ?`, id ?? null);
    else if (what === 3) this.run('DELETE FROM members WHERE id = ?', id ?? null);
    else if (what === 4)
      // Evicts the row of that card.
      this.run(
        `REPLACE INTO members (id, tag, card, email, updated_at)
         SELECT (SELECT max(id) + 1 FROM members), tag, card, ?, ? FROM members WHERE id = ?`,
        this.value('nullableText'),
        this.now(),
        id ?? null,
      );
    else if (what === 2)
      this.run(
        `UPDATE members SET is_deleted = 1 - is_deleted, updated_at = ? WHERE id = ?`,
        this.now(),
        id ?? null,
      );
    else
      this.run(
        `UPDATE members SET email = ?, points = ?, updated_at = ? WHERE id = ?`,
        this.value('nullableText'),
        this.value('count'),
        this.now(),
        id ?? null,
      );
  }

  /** Tables that only head office may change: edits here are put back. */
  protected editPushed(): void {
    const what = this.dice.below(3);
    if (what === 0) this.run(`UPDATE flags SET "On" = 1 - "On"`);
    else if (what === 1) this.run(`UPDATE "price list" SET price = '77'`);
    else this.run(`DELETE FROM flags WHERE "say ""hi""" = (SELECT min("say ""hi""") FROM flags)`);
  }

  protected nothingInTheEnd(): void {
    const item = this.item();
    if (item === undefined) return;
    this.db.exec('SAVEPOINT try');
    this.run(`UPDATE "select" SET "Label" = 'never', stock = stock - 1000 WHERE "Item No" = ?`, item);
    this.run(`INSERT INTO line_notes (tag, line_uuid) VALUES ('never', 'never')`);
    this.db.exec('ROLLBACK TO try; RELEASE try');
    this.run(`UPDATE "select" SET "Label" = "Label", stock = stock + 1 WHERE "Item No" = ?`, item);
    this.run(`UPDATE "select" SET stock = stock - 1 WHERE "Item No" = ?`, item);
  }
}
