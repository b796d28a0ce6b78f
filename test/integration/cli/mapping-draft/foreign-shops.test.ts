/** Shops of other styles: what a draft makes of them is what a person would have written. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../../scripts/support/postgres.ts';
import { readLocalCatalog } from '../../../../services/shared/catalog/local-catalog.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { payflow } from '../../../support/cli.ts';
import { mappingDifferences } from '../../../support/mapping-differences.ts';
import { GERMAN_SHOP } from './shops/german.ts';
import { ORM_SHOP } from './shops/orm.ts';
import { SEEDED_SHOP } from './shops/seeded.ts';

const SHOPS = [
  { name: 'orm', shop: ORM_SHOP, notMapped: ['_prisma_migrations', 'branches', 'staff_rota'] },
  { name: 'german', shop: GERMAN_SHOP, notMapped: ['drucker', 'stores'] },
  { name: 'seeded', shop: SEEDED_SHOP, notMapped: ['shops'] },
];

describe.each(SHOPS)('the $name shop', ({ name, shop, notMapped }) => {
  let postgres: RunningPostgres;
  let folder: string;
  let file: string;
  let out: string;

  beforeAll(async () => {
    postgres = await startPostgres();
    folder = mkdtempSync(join(tmpdir(), 'payflow-draft-'));
    file = join(folder, 'payflow.db');
    out = join(folder, 'mapping.yaml');
    const pool = new pg.Pool({ connectionString: postgres.url });
    await shop.enterCentre(pool);
    await pool.end();
    const db = new Database(file);
    db.transaction(() => shop.enterTill(db))();
    db.close();
  });

  afterAll(async () => {
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('is drafted as a person would, and mapping check accepts it', async () => {
    const env = { DATABASE_URL: postgres.url, MAPPING_FILE: out, DATA_DIR: join(folder, 'data') };
    const drafted = await payflow(['mapping', 'draft', '--terminal-db', file, '--output', out], env);
    expect(drafted.code).toBe(0);
    const text = readFileSync(out, 'utf8');
    const wanted = parseMapping(readFileSync(join(import.meta.dirname, 'shops', `${name}.yaml`), 'utf8'));
    const db = new Database(file, { readonly: true });
    const catalog = readLocalCatalog(db);
    db.close();
    expect(mappingDifferences(wanted, parseMapping(text), catalog)).toEqual([]);
    expect([...text.matchAll(/^# (\S+) of the (?:till|centre): /gm)].map(([, table]) => table)).toEqual(
      notMapped,
    );
    expect((await payflow(['mapping', 'check'], env)).code).toBe(0);
  });
});
