/** One till of the demo: its file as the shop's app sees it, its agent's process, and the cable to the gateway. */
import { OPEN_ENTRIES_SQL } from '../../services/terminal-agent/file/outbox-schema.ts';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { schemaFile } from '../../services/shared/paths.ts';
import { loadIdentity } from '../../services/terminal-agent/identity.ts';
import { Cashier, type Sale } from '../support/shop.ts';
import { Cable } from './cable.ts';
import { TillHandle } from './till-handle.ts';

type Value = string | number | null;

export class DemoTill {
  readonly id: string;
  readonly storeId: string;
  readonly file: string;
  /** Where its agent keeps identity and units. */
  readonly dataDir: string;
  readonly cable: Cable;
  readonly agent = new TillHandle();
  /** What was sold here since the demo started. */
  readonly sales: Sale[] = [];
  /** The app's own connection: it knows nothing of sync. */
  readonly #cashier: Cashier;
  readonly #view: Database.Database;
  /** Looked at every few ms while something is waited for, so prepared once. */
  readonly #prepared = new Map<string, Database.Statement<Value[]>>();

  private constructor(options: { id: string; storeId: string; folder: string; cable: Cable }) {
    this.id = options.id;
    this.storeId = options.storeId;
    this.file = join(options.folder, 'payflow.db');
    this.dataDir = join(options.folder, 'agent');
    this.cable = options.cable;
    makeFile(this.file);
    this.#cashier = new Cashier(this.id, this.file);
    this.#view = new Database(this.file, { readonly: true });
  }

  static async open(options: {
    id: string;
    storeId: string;
    folder: string;
    gateway: { host: string; port: number };
  }): Promise<DemoTill> {
    mkdirSync(options.folder, { recursive: true });
    return new DemoTill({ ...options, cable: await Cable.lay(options.gateway) });
  }

  /** What the centre gave it at enrolment; the point-of-sale app may use it too. */
  get token(): string {
    return loadIdentity(this.dataDir).token;
  }

  async cutOff(): Promise<void> {
    this.cable.unplug();
    await this.agent.cut();
  }

  async reconnect(): Promise<void> {
    this.cable.plug();
    await this.agent.mend();
  }

  sell(lines?: number): Sale {
    const sale = this.#cashier.sell(lines === undefined ? {} : { lines });
    this.sales.push(sale);
    return sale;
  }

  /** A receipt with its signature, and a line in the audit log. */
  printReceipt({ orderNumber }: Sale): void {
    const { db } = this.#cashier;
    db.transaction(() => {
      db.prepare(
        `INSERT INTO receipts (local_id, order_local_id, receipt_number, body, signature)
         SELECT ?, local_id, (SELECT coalesce(max(receipt_number), 0) + 1 FROM receipts), 'Receipt of ' || order_number,
                randomblob(16)
           FROM orders WHERE order_number = ?`,
      ).run(randomUUID(), orderNumber);
      db.prepare(
        `INSERT INTO audit_logs (id, action, entity, details) VALUES (?, 'print', 'receipts', ?)`,
      ).run(randomUUID(), JSON.stringify({ order: orderNumber }));
    }).immediate();
  }

  /** @returns rows changed by a statement of the app */
  write(sql: string, ...values: Value[]): number {
    return this.#cashier.db.prepare(sql).run(...values).changes;
  }

  /** First column of the first row, as the app reads it. */
  read(sql: string, ...values: Value[]): Value {
    const [row] = this.rows<Record<string, Value>>(sql, ...values);
    return Object.values(row ?? {})[0] ?? null;
  }

  rows<Row>(sql: string, ...values: Value[]): Row[] {
    const statement = this.#prepared.get(sql) ?? this.#view.prepare<Value[]>(sql);
    this.#prepared.set(sql, statement);
    return statement.all(...values) as Row[];
  }

  /** Changes whose outcome the till does not know yet. */
  openChanges(): number {
    return Number(this.read(OPEN_ENTRIES_SQL));
  }

  async close(): Promise<void> {
    this.#view.close();
    this.#cashier.close();
    await this.cable.remove();
  }
}

function makeFile(file: string): void {
  if (existsSync(file)) return;
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
  db.close();
}
