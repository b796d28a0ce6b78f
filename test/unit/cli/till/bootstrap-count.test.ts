import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { countOffers } from '../../../../services/cli/till/bootstrap-count.ts';
import type { TerminalIdentity } from '../../../../services/terminal-agent/identity.ts';
import { SHOP_MAPPING, SHOP_SCHEMA } from '../../../support/shop-till.ts';
import { silentLog } from '../../../support/till.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const identity: TerminalIdentity = {
  terminalId: 'T1',
  storeId: 'S1',
  token: 'token',
  databaseId: 'database',
  prefix: 'payflow',
  partition: 0,
  streams: { catalog: 'payflow.catalog', store: 'payflow.store.S1', up: 'payflow.up' },
  mapping: { version: 1, source: SHOP_MAPPING },
  keyVersion: 1,
  gatewayUrl: 'http://127.0.0.1:1',
  privateKey: generateKeyPairSync('ed25519').privateKey,
};

it('a dry run tells what bootstrap would offer, and leaves no trace in the file', () => {
  const file = join(folder, 'payflow.db');
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec(`${SHOP_SCHEMA}
    INSERT INTO products (sku) VALUES ('A'), ('B');
    INSERT INTO orders (number) VALUES ('1');
    INSERT INTO orders (number, server_id) VALUES ('2', 77)`);
  const before = db.prepare('SELECT name, sql FROM sqlite_master').all();
  db.pragma('wal_checkpoint(TRUNCATE)');
  const bytes = readFileSync(file);
  expect(countOffers(file, identity, silentLog)).toMatchObject({
    dryRun: true,
    offered: 3,
    listed: 1,
    tables: { products: { offered: 2, listed: 0 }, orders: { offered: 1, listed: 1 } },
  });
  expect(db.prepare('SELECT name, sql FROM sqlite_master').all()).toEqual(before);
  expect(readFileSync(file).equals(bytes)).toBe(true);
  db.close();
  expect(readdirSync(folder)).toEqual(['payflow.db']);
});
