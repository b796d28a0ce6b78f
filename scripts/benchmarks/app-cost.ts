/** What a sale costs the app's own process: the same sales into a file with our triggers and into one without, by turns. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { schemaFile } from '../../services/shared/paths.ts';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';
import { TillDatabase } from '../../services/terminal-agent/till/till-database.ts';
import { Cashier, seededRandom } from '../support/shop.ts';
import { median, ratioOf, type Figure } from './figures.ts';

const ROUNDS = 7;
const SALES_PER_ROUND = 400;
const MANY_ROWS = 20_000;

interface Side {
  readonly cashier: Cashier;
  readonly file: string;
  readonly saleMs: number[];
  readonly roundCpuMs: number[];
  readonly manyCpuMs: number[];
}

/** @param folder for the two files */
export function costOfSales(folder: string): Figure[] {
  const plain = openSide(join(folder, 'plain.db'), { isCaptured: false });
  const captured = openSide(join(folder, 'captured.db'), { isCaptured: true });
  const sizes = [plain, captured].map(sizeOf);
  for (let round = 0; round < ROUNDS; round += 1) for (const side of [plain, captured]) sellRound(side);
  const [plainKb = 0, capturedKb = 0] = [plain, captured].map(
    (side, at) => (sizeOf(side) - (sizes[at] ?? 0)) / 1024 / (ROUNDS * SALES_PER_ROUND),
  );
  for (let round = 0; round < 3; round += 1) for (const side of [plain, captured]) insertMany(side);
  for (const { cashier } of [plain, captured]) cashier.close();
  const cpu = (side: Side) => median(side.roundCpuMs) / SALES_PER_ROUND;
  return [
    { name: 'P  a sale without triggers, p50', value: median(plain.saleMs), unit: 'ms' },
    bounded('a sale with triggers, p50', {
      value: median(captured.saleMs),
      of: 'P',
      to: median(plain.saleMs),
      most: 2,
    }),
    { name: 'C  processor time of a sale without', value: cpu(plain), unit: 'ms' },
    bounded('processor time of a sale with', { value: cpu(captured), of: 'C', to: cpu(plain), most: 2 }),
    { name: 'M  20,000 rows in one transaction without', value: median(plain.manyCpuMs), unit: 'ms' },
    bounded('20,000 rows in one transaction with', {
      value: median(captured.manyCpuMs),
      of: 'M',
      to: median(plain.manyCpuMs),
      most: 4,
    }),
    { name: 'F  file, a sale without', value: plainKb, unit: 'KB' },
    {
      ...bounded('file, a sale with, not sent yet', { value: capturedKb, of: 'F', to: plainKb, most: 2 }),
      unit: 'KB',
    },
  ];
}

function bounded(
  name: string,
  { value, of, to, most }: { value: number; of: string; to: number; most: number },
): Figure {
  return { name, value, unit: 'ms', ratio: ratioOf(of, value, to, { most }) };
}

function openSide(file: string, { isCaptured }: { isCaptured: boolean }): Side {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
  db.exec(`INSERT INTO stores (code, name) VALUES ('S1', 'Store 1');
    INSERT INTO users (store_id, username, full_name) VALUES (1, 'cashier1', 'Cashier 1');
    INSERT INTO categories (slug, name) VALUES ('food', 'Food');
    INSERT INTO products (category_id, sku, name, price, stock_quantity)
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
      SELECT 1, 'SKU-' || i, 'Product ' || i, 1.49 + i % 90, 100000 FROM n`);
  db.close();
  if (isCaptured) {
    const mapping = parseMapping(readFileSync(schemaFile('mapping.yaml'), 'utf8'), 1);
    const log = pino({ level: 'silent' });
    TillDatabase.open({ file, mapping, terminalId: 'T1', incarnation: 'bench', log }).close();
  }
  const cashier = new Cashier('T1', file, seededRandom(1));
  cashier.db.pragma('synchronous = NORMAL');
  return { cashier, file, saleMs: [], roundCpuMs: [], manyCpuMs: [] };
}

function sellRound({ cashier, saleMs, roundCpuMs }: Side): void {
  const cpu = cpuMs(() => {
    for (let sale = 0; sale < SALES_PER_ROUND; sale += 1) {
      const started = performance.now();
      cashier.sell({ lines: 3, moveStock: false, takeStock: true });
      saleMs.push(performance.now() - started);
    }
  });
  roundCpuMs.push(cpu);
}

function insertMany({ cashier: { db }, manyCpuMs }: Side): void {
  const insert = db.prepare(
    `INSERT INTO order_items (local_id, order_id, product_id, line_number, quantity, unit_price, line_total)
       VALUES (lower(hex(randomblob(16))), 1, 1, ?, 1, 1.5, 1.5)`,
  );
  const all = db.transaction(() => {
    for (let line = 0; line < MANY_ROWS; line += 1) insert.run(line + 100);
  });
  manyCpuMs.push(cpuMs(() => all.immediate()));
}

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Bytes of the file, with what its WAL holds written into it. */
function sizeOf({ cashier: { db }, file }: Side): number {
  db.pragma('wal_checkpoint(TRUNCATE)');
  return statSync(file).size;
}
