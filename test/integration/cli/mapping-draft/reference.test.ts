import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../../scripts/support/postgres.ts';
import { readLocalCatalog } from '../../../../services/shared/catalog/local-catalog.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { MappingSource } from '../../../../services/shared/mapping/mapping-source.ts';
import { schemaFile } from '../../../../services/shared/paths.ts';
import { payflow, type CliResult } from '../../../support/cli.ts';
import { enterReferenceCentre, enterReferenceTill } from '../../../support/first-day-shop.ts';
import { mappingDifferences, type MappingDifference } from '../../../support/mapping-differences.ts';

let postgres: RunningPostgres;
let pool: pg.Pool;
let folder: string;
let file: string;
let out: string;
let result: CliResult;
let text: string;

const draft = (...args: string[]) =>
  payflow(['mapping', 'draft', ...args], { DATABASE_URL: postgres.url, DATA_DIR: join(folder, 'data') });

beforeAll(async () => {
  postgres = await startPostgres();
  pool = new pg.Pool({ connectionString: postgres.url });
  // One that is still closing when the server stops is no fault of the test.
  pool.on('error', () => undefined);
  folder = mkdtempSync(join(tmpdir(), 'payflow-draft-'));
  file = join(folder, 'payflow.db');
  out = join(folder, 'mapping.yaml');
  await enterReferenceCentre(pool);
  await enterReferenceTill(pool, file);
  result = await draft('--terminal-db', file, '--output', out);
  text = readFileSync(out, 'utf8');
});

afterAll(async () => {
  await pool?.end();
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The comment right above a line, and all of it that stands above the table. */
function commentsAt({ table, option, name }: MappingDifference): string {
  const lines = text.split('\n');
  const source = new MappingSource(text);
  const above = (line: number) => {
    let at = line - 1;
    while (/^\s*#/.test(lines[at - 1] ?? '')) at -= 1;
    return lines.slice(at, line - 1).join('\n');
  };
  const words: Readonly<Record<string, string>> = { naturalKey: 'natural_key' };
  const path = ['tables', table, words[option] ?? option, ...(name === undefined ? [] : [name])];
  const nearest = source.lineOf(path) === source.lineOf(['tables', table]) ? '' : above(source.lineOf(path));
  const ofTable = above(source.lineOf(['tables', table]))
    .split('\n')
    .filter((line) => line.includes(name ?? words[option] ?? option));
  return [nearest, ...ofTable].join('\n');
}

describe('a draft of the reference databases', () => {
  test('maps every table, and mapping check accepts it', async () => {
    expect(result).toMatchObject({ code: 0, stdout: '' });
    expect(result.stderr).toMatch(/^19 tables, \d+ guesses to look at, 0 tables not mapped: /);
    const check = await payflow(['mapping', 'check'], { DATABASE_URL: postgres.url, MAPPING_FILE: out });
    expect(check).toMatchObject({ code: 0, stdout: 'the mapping is valid\n' });
  });

  test('differs from the reference mapping only where a comment says that it guessed', () => {
    const db = new Database(file, { readonly: true });
    const reference = parseMapping(readFileSync(schemaFile('mapping.yaml'), 'utf8'));
    const differences = mappingDifferences(reference, parseMapping(text), readLocalCatalog(db));
    db.close();
    const silent = differences.filter((found) => !/guessed/.test(commentsAt(found)));
    expect(silent).toEqual([]);
    // What only people can know: which tables and prices are head office's alone.
    expect(differences.map(({ table, option, name }) => [table, option, name].join(' ').trim())).toEqual([
      'discounts direction',
      'products columns price',
      'products columns cost_price',
      'taxes direction',
      'terminals direction',
      'users direction',
      'variants columns surcharge',
    ]);
  });

  test('finds the same where head office has many more rows than are read', async () => {
    await pool.query(
      `INSERT INTO products (sku, name, price)
       SELECT CASE WHEN n % 2 = 0 THEN 'A' ELSE 'Z' END || n, 'More ' || n, n FROM generate_series(1, 3000) n`,
    );
    // Those that both sides have are in the middle now.
    await pool.query(`UPDATE products SET id = id + 100000 WHERE sku LIKE 'SKU%' OR sku LIKE 'Z%'`);
    await pool.query(`UPDATE products SET id = id + 200000 WHERE sku LIKE 'Z%'`);
    const again = await draft('--terminal-db', file);
    expect(again.code).toBe(0);
    expect(again.stdout).toContain(
      '# guessed: unique on both sides; 240 sampled rows are on both\n    natural_key: [ sku ]',
    );
  });

  test('tells a program its guesses, and leaves a file that is there alone', async () => {
    const json = await draft('--terminal-db', file, '--json');
    const said = JSON.parse(json.stdout) as {
      mapping: string;
      tables: number;
      guesses: number;
      left: unknown[];
    };
    expect(said).toMatchObject({ tables: 19, left: [], problems: [] });
    expect(parseMapping(said.mapping).tables).toHaveLength(19);
    expect(said.guesses).toBe(said.mapping.split('\n').filter((line) => /^ *# guessed/.test(line)).length);
    writeFileSync(join(folder, 'mine.yaml'), 'mine');
    const refused = await draft('--terminal-db', file, '--output', join(folder, 'mine.yaml'));
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('[USAGE]') as string });
    expect(readFileSync(join(folder, 'mine.yaml'), 'utf8')).toBe('mine');
  });

  test('ends with 2 without a file, with one that is not there, and without a database', async () => {
    expect((await draft()).code).toBe(2);
    const missing = await draft('--terminal-db', join(folder, 'nowhere.db'));
    expect(missing).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('[TERMINAL_DB_MISSING]') as string,
    });
    expect(existsSync(join(folder, 'nowhere.db'))).toBe(false);
    const noDatabase = await payflow(['mapping', 'draft', '--terminal-db', file], {
      DATA_DIR: join(folder, 'data'),
    });
    expect(noDatabase).toMatchObject({ code: 2, stderr: expect.stringContaining('DATABASE_URL') as string });
  });

  test('ends with 1 where nothing on both sides is alike', async () => {
    const other = join(folder, 'other.db');
    const db = new Database(other);
    db.exec('CREATE TABLE moods (x INTEGER PRIMARY KEY, y TEXT); CREATE VIEW seen AS SELECT * FROM moods');
    db.close();
    const found = await draft('--terminal-db', other);
    expect(found).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no table of the till is like one') as string,
    });
    expect(found.stdout).toContain('# seen of the till: a view');
  });
});
