/** Shops of other styles: what a draft makes of them is what a person would have written. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { startPostgres, type RunningPostgres } from '../../../../scripts/support/postgres.ts';
import { readLocalCatalog } from '../../../../services/shared/catalog/local-catalog.ts';
import type { ParityFinding } from '../../../../services/shared/catalog/parity-finding.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { payflow } from '../../../support/cli.ts';
import { mappingDifferences } from '../../../support/mapping-differences.ts';
import { FRENCH_SHOP } from './shops/french.ts';
import { GERMAN_SHOP } from './shops/german.ts';
import { ORM_SHOP } from './shops/orm.ts';
import { SEEDED_SHOP } from './shops/seeded.ts';

const SHOPS = [
  {
    name: 'orm',
    shop: ORM_SHOP,
    notMapped: ['_prisma_migrations', 'branches', 'staff_rota'],
    left: [],
    // Without the forms that the draft found: each is named, with what to put where.
    unsaid: [
      'mismatch Product.unitPriceCents: columns: {unitPriceCents: {minor_units: 2}}',
      'mismatch Product.purchasePriceCents: columns: {purchasePriceCents: {minor_units: 2}}',
      'mismatch Order.totalCents: columns: {totalCents: {minor_units: 2}}',
      'mismatch OrderLine.unitPriceCents: columns: {unitPriceCents: {minor_units: 2}}',
      'mismatch Product.createdAt: columns: {createdAt: {format: epoch_ms}}',
      'mismatch Product.updatedAt: columns: {updatedAt: {format: epoch_ms}}',
      'mismatch ProductCategory.updatedAt: columns: {updatedAt: {format: epoch_ms}}',
      'mismatch Customer.updatedAt: columns: {updatedAt: {format: epoch_ms}}',
      'mismatch Order.placedAt: columns: {placedAt: {format: epoch_ms}}',
      'mismatch Order.updatedAt: columns: {updatedAt: {format: epoch_ms}}',
    ],
  },
  {
    name: 'german',
    shop: GERMAN_SHOP,
    notMapped: ['drucker', 'stores'],
    left: ['value_unfit bonkopf.bezahlt'],
    unsaid: [
      'mismatch artikel.aend_dat: columns: {aend_dat: {format: local, zone: Europe/Berlin}}',
      'mismatch kunden.name: columns: {name: {charset: windows-1252}}',
      'mismatch kunden.strasse: columns: {strasse: {charset: windows-1252}}',
      'mismatch kunden.aend_dat: columns: {aend_dat: {format: local, zone: Europe/Berlin}}',
      'warning artikel.bez: columns: {bez: {charset: windows-1252}}',
      'warning bonkopf.datum: columns: {datum: {format: sqlite}}',
    ],
  },
  {
    name: 'french',
    shop: FRENCH_SHOP,
    notMapped: ['param', 'caisse.Sites de vente'],
    left: [],
    unsaid: [
      'mismatch tbl_article.prix_cents: columns: {prix_cents: {minor_units: 2}}',
      'mismatch tbl_article.date_creation: columns: {date_creation: {format: epoch_s}}',
      'mismatch tbl_article.maj: columns: {maj: {format: local, zone: Europe/Berlin}}',
      'mismatch Tickets de caisse.total_cents: columns: {total_cents: {minor_units: 2}}',
      'mismatch Tickets de caisse.date heure: columns: {date heure: {format: local, zone: Europe/Berlin}}',
      'mismatch ligne ticket.pu_cents: columns: {pu_cents: {minor_units: 2}}',
    ],
  },
  { name: 'seeded', shop: SEEDED_SHOP, notMapped: ['shops'], left: [], unsaid: [] },
];

describe.each(SHOPS)('the $name shop', ({ name, shop, notMapped, left, unsaid }) => {
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
    // One that is still closing when the server stops is no fault of the test.
    pool.on('error', () => undefined);
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
    expect([...text.matchAll(/^# (.+) of the (?:till|centre): /gm)].map(([, table]) => table)).toEqual(
      notMapped,
    );
    expect((await payflow(['mapping', 'check'], env)).code).toBe(0);
  });

  async function parityOf(mappingFile: string): Promise<ParityFinding[]> {
    const env = { DATABASE_URL: postgres.url, MAPPING_FILE: mappingFile, DATA_DIR: join(folder, 'data') };
    const { code, stdout } = await payflow(['parity', '--terminal-db', file, '--json'], env);
    const [report] = JSON.parse(stdout) as { findings: ParityFinding[] }[];
    const findings = report?.findings ?? [];
    expect(code).toBe(findings.some(({ kind }) => kind === 'mismatch') ? 1 : 0);
    return findings;
  }

  test('is then without a mismatch but for values that no option makes fit, and parity names what is left for a person', async () => {
    const findings = await parityOf(out);
    expect(findings.filter(({ kind, code }) => kind === 'mismatch' && code !== 'value_unfit')).toEqual([]);
    const forPeople = findings.filter(({ code }) => code === 'value_unfit' || code === 'other_form');
    expect(forPeople.map(({ code, table, column }) => `${code} ${table}.${column ?? ''}`)).toEqual(left);
    // Each says where: the line of the mapping in which its table, or its column, stands.
    const lines = readFileSync(out, 'utf8').split('\n');
    for (const { line = 0, table, column } of findings)
      expect(lines[line - 1]).toMatch(new RegExp(`^\\s*(?:${table}|${column ?? table}|columns|rename):`));
  });

  test('is told, column by column, what a mapping without its forms would do in silence', async () => {
    const bare = join(folder, 'bare.yaml');
    const document = parseDocument(readFileSync(join(import.meta.dirname, 'shops', `${name}.yaml`), 'utf8'));
    for (const { local } of parseMapping(document.toString()).tables)
      document.deleteIn(['tables', local, 'columns']);
    writeFileSync(bare, document.toString());
    const told = (await parityOf(bare)).filter(
      ({ put, code }) => put !== undefined && code !== 'extra_local_column',
    );
    const known = left.map((text) => text.split(' ')[1]);
    const lines = told
      .filter(({ table, column }) => !known.includes(`${table}.${column ?? ''}`))
      .map(({ kind, table, column, put }) => `${kind} ${table}.${column ?? ''}: ${put ?? ''}`);
    expect(lines.sort()).toEqual([...unsaid].sort());
  });
});
