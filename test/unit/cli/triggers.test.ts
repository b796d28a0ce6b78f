import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AgentLock } from '../../../services/terminal-agent/till/agent-lock.ts';
import { OPEN_ENTRIES_SQL } from '../../../services/terminal-agent/file/outbox-schema.ts';
import { isOldFile } from '../../../services/terminal-agent/take-over/old-file.ts';
import { payflow } from '../../support/cli.ts';
import { rebuildOldTill } from '../../support/old-till.ts';
import { SHOP_MAPPING } from '../../support/shop-till.ts';

interface Named {
  readonly name: string;
  readonly sql: string;
}

let folder: string;
let file: string;
let app: Database.Database;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-triggers-'));
  file = join(folder, 'payflow.db');
  app = new Database(file);
  // No index on local_id: the trigger that asks for copies of a UUID would read the whole table.
  app.exec('CREATE TABLE categories (id INTEGER PRIMARY KEY, slug TEXT, name TEXT, local_id TEXT)');
});

afterEach(() => {
  app.close();
  rmSync(folder, { recursive: true, force: true });
});

const triggers = (...args: string[]) =>
  payflow(['triggers', ...args, '--terminal-db', file], { DATA_DIR: folder, LOG_LEVEL: 'silent' });

const byName = (a: Named, b: Named) => (a.name < b.name ? -1 : 1);

/** What stands on the app's own table. */
const onTable = () =>
  app
    .prepare<[], Named>(
      "SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') AND tbl_name = 'categories'",
    )
    .all();

it('shows for review all that the agent puts on the app’s tables, and changes nothing', async () => {
  const { code, stdout } = await triggers('show', '--json');
  expect(code).toBe(0);
  expect(onTable()).toEqual([]);
  const shown = JSON.parse(stdout) as Named[];
  expect(shown.map(({ name }) => name)).toContain('sync_before_insert_categories');
  expect((await triggers('install')).code).toBe(0);
  const found = onTable();
  expect(shown.map(({ name, sql }) => ({ name, sql })).sort(byName)).toEqual(found.sort(byName));
  expect((await triggers('show')).stdout).toContain('CREATE TRIGGER "sync_insert_categories"');
});

it('records from installation on, and removes only what loses nothing unless it is forced', async () => {
  await triggers('install');
  expect(await triggers('install')).toMatchObject({ code: 0 });
  const insert = app.prepare("INSERT INTO categories (slug) VALUES ('food')");
  const recorded = () => app.prepare('SELECT count(*) FROM sync_outbox').pluck().get();
  insert.run();
  expect(recorded()).toBe(1);
  expect(await triggers('remove')).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/^\[CONFLICT\] 1 changes .+\n$/) as string,
  });
  expect(await triggers('remove', '--force')).toMatchObject({ code: 0 });
  expect(onTable()).toEqual([]);
  insert.run();
  expect(recorded()).toBe(1);
});

it('removed, and installed again after the app went on selling without them, has its tables looked through', async () => {
  await triggers('install');
  await triggers('remove');
  app.exec("INSERT INTO categories (slug) VALUES ('sold without')");
  await triggers('install');
  expect(app.prepare('SELECT table_name, due FROM sync_sweep').all()).toEqual([
    { table_name: 'categories', due: 1 },
  ]);
  expect(onTable().length).toBeGreaterThan(0);
});

it('removed with all that is ours, leave the file as the app made it, and the app’s own tables of such names', async () => {
  app.exec(`CREATE TABLE sync_row_of_seats (seat TEXT); CREATE TABLE sync_identity (name TEXT);
    CREATE TRIGGER sync_names AFTER INSERT ON categories BEGIN UPDATE categories SET name = slug WHERE id = NEW.id; END`);
  const schema = () =>
    app
      .prepare('SELECT type, name, sql FROM sqlite_master WHERE name <> ? ORDER BY name')
      .all('sqlite_sequence');
  const before = schema();
  await triggers('install');
  app.exec("INSERT INTO categories (slug) VALUES ('open')");
  expect(await triggers('remove', '--all')).toMatchObject({ code: 3 });
  expect(schema()).not.toEqual(before);
  expect(await triggers('remove', '--all', '--force')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^\d+ triggers and indexes and \d+ tables removed/) as string,
  });
  expect(schema()).toEqual(before);
  expect(await triggers('install')).toMatchObject({ code: 0 });
});

it('takes a file of the version before over, and loses nothing that it recorded', async () => {
  app.close();
  rmSync(file);
  rebuildOldTill(folder);
  app = new Database(file);
  writeFileSync(join(folder, 'shop.yml'), SHOP_MAPPING);
  const env = { DATA_DIR: folder, LOG_LEVEL: 'silent', MAPPING_FILE: join(folder, 'shop.yml') };
  const onOld = (command: string) => payflow(['triggers', command, '--terminal-db', file], env);
  const open = () => app.prepare(OPEN_ENTRIES_SQL).pluck().get();
  expect(await onOld('remove')).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/^\[CONFLICT\] 14 /) as string,
  });
  expect(await onOld('install')).toMatchObject({ code: 0 });
  expect(open()).toBe(14);
  app.exec(`INSERT INTO orders (number) VALUES ('sold since')`);
  expect(open()).toBe(15);
  expect(await onOld('install')).toMatchObject({ code: 0 });
  expect(open()).toBe(15);
});

it('stopped while a file of the version before is taken over, leaves it to the old triggers', async () => {
  app.close();
  rmSync(file);
  rebuildOldTill(folder);
  app = new Database(file);
  writeFileSync(join(folder, 'shop.yml'), SHOP_MAPPING);
  const env = { DATA_DIR: folder, LOG_LEVEL: 'silent', MAPPING_FILE: join(folder, 'shop.yml') };
  const install = ['triggers', 'install', '--terminal-db', file];
  const found = await payflow(install, env, AbortSignal.abort());
  expect(found).toMatchObject({ code: 3, stdout: expect.stringMatching(/^stopped: /) as string });
  expect(isOldFile(app)).toBe(true);
  expect(await payflow(install, env)).toMatchObject({ code: 0 });
  expect(isOldFile(app)).toBe(false);
});

it('leaves a file alone that an agent has', async () => {
  const lock = AgentLock.take(file);
  for (const command of ['install', 'remove']) {
    expect(await triggers(command)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^\[TERMINAL_DB_IN_USE\] .+\n$/) as string,
    });
  }
  lock.release();
});

it('has tables looked through, also while an agent has the file', async () => {
  expect(await triggers('sweep')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^0 tables /) as string,
  });
  await triggers('install');
  const lock = AgentLock.take(file);
  expect(await triggers('sweep', '--deletes')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^1 tables /) as string,
  });
  lock.release();
  expect(app.prepare('SELECT table_name, deletes FROM sync_sweep').all()).toEqual([
    { table_name: 'categories', deletes: 1 },
  ]);
});

it('names a table that this file can not capture, and says so by its exit code', async () => {
  const columns = Array.from({ length: 1200 }, (_, at) => `c${at}`).join(', ');
  app.exec(`DROP TABLE categories; CREATE TABLE categories (id INTEGER PRIMARY KEY, ${columns});
    CREATE TABLE products (id INTEGER PRIMARY KEY, sku TEXT, name TEXT)`);
  const { code, stdout } = await triggers('install');
  expect(stdout).toMatch(/^categories can not be captured: .*too many/m);
  expect(code).toBe(1);
  const own = app.prepare(
    "SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'trigger' AND tbl_name NOT LIKE 'sync%'",
  );
  expect(own.pluck().all()).toEqual(['products']);
});
