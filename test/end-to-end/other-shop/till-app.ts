/** An app on one till of the other shop: its own connection, its own SQL, no idea of sync. */
import Database from 'better-sqlite3';
import type { Dice } from './dice.ts';
import { kindOf, type KindName, type Stored } from './kinds.ts';

export class TillApp {
  readonly db: Database.Database;
  protected readonly dice: Dice;

  constructor(file: string, dice: Dice) {
    this.db = new Database(file, { timeout: 10_000 });
    this.db.defaultSafeIntegers();
    this.dice = dice;
  }

  close(): void {
    this.db.close();
  }

  protected run(sql: string, ...values: readonly Stored[]): bigint {
    return BigInt(this.db.prepare(sql).run(...values).lastInsertRowid);
  }

  protected any(sql: string, ...values: readonly Stored[]): Stored | undefined {
    const found = this.db
      .prepare<Stored[], Stored>(sql)
      .pluck()
      .all(...values);
    return found.length === 0 ? undefined : this.dice.one(found);
  }

  protected value(kind: KindName): Stored {
    return this.dice.one<Stored>(kindOf(kind).till);
  }

  protected now(): string {
    return new Date().toISOString();
  }

  protected item(): Stored | undefined {
    return this.any(`SELECT "Item No" FROM "select" WHERE is_deleted = 0`);
  }
}
