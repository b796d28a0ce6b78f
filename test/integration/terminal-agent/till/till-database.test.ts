import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../../services/shared/error-codes.ts';
import { PayflowError } from '../../../../services/shared/errors.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { TillDatabase } from '../../../../services/terminal-agent/till/till-database.ts';
import { openTestTill, recorded, silentLog, type TestTill } from '../../../support/till.ts';

const MAPPING = `version: 1
tables:
  items: {scope: global}
`;
const SCHEMA = 'CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)';

let folder: string;
let till: TestTill | undefined;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-open-'));
});
afterEach(() => {
  till?.close();
  till = undefined;
  child?.kill('SIGKILL');
  child = undefined;
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

const openFile = (file: string, terminalId = 'T1') =>
  TillDatabase.open({
    file,
    mapping: parseMapping(MAPPING, 1),
    terminalId,
    incarnation: 'i1',
    log: silentLog,
  });

/** What is said while the file is opened. */
function saidAtOpening(file: string, mapping: string): string[] {
  const said: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void said.push(line) });
  TillDatabase.open({
    file,
    mapping: parseMapping(mapping, 1),
    terminalId: 'T1',
    incarnation: 'i1',
    log,
  }).close();
  return said;
}

function codeOf(body: () => TillDatabase): ErrorCode | 'opened' {
  try {
    body().close();
    return 'opened';
  } catch (error) {
    if (error instanceof PayflowError) return error.code;
    throw error;
  }
}

function newFile(name = 'payflow.db'): string {
  const file = join(folder, name);
  const app = new Database(file);
  app.exec(SCHEMA);
  app.close();
  return file;
}

/** Permissions do not bind root: the same as somebody who is not. */
function asNobody<T>(body: () => T): T {
  if (process.geteuid?.() !== 0) return body();
  process.seteuid?.(65534);
  try {
    return body();
  } finally {
    process.seteuid?.(0);
  }
}

describe('a till file that cannot be used is refused with its own code', () => {
  it('missing', () => {
    expect(codeOf(() => openFile(join(folder, 'none.db')))).toBe('TERMINAL_DB_MISSING');
    expect(existsSync(join(folder, 'none.db'))).toBe(false);
  });

  it('a folder, or not a database', () => {
    mkdirSync(join(folder, 'sub'));
    expect(codeOf(() => openFile(join(folder, 'sub')))).toBe('TERMINAL_DB_INVALID');
    writeFileSync(join(folder, 'text.db'), 'this is no database, '.repeat(500));
    expect(codeOf(() => openFile(join(folder, 'text.db')))).toBe('TERMINAL_DB_INVALID');
  });

  it('read-only, or in a folder that is', () => {
    const file = newFile();
    chmodSync(folder, 0o755);
    chmodSync(file, 0o666);
    expect(codeOf(() => asNobody(() => openFile(file)))).toBe('TERMINAL_DB_READ_ONLY');
    chmodSync(folder, 0o777);
    chmodSync(file, 0o444);
    expect(codeOf(() => asNobody(() => openFile(file)))).toBe('TERMINAL_DB_READ_ONLY');
  });

  it('but not one that lacks mapped tables, which is said; loudly where it has none', () => {
    const file = newFile();
    expect(saidAtOpening(file, `${MAPPING}  others: {scope: global}\n`)).toContainEqual(
      expect.stringMatching(/"level":30.*"tables":\["others"\].*skipped/),
    );
    const empty = newFile('empty.db');
    expect(saidAtOpening(empty, MAPPING.replace('items', 'others'))).toContainEqual(
      expect.stringMatching(/"level":40.*none of the mapped tables/),
    );
  });

  it('that belongs to another terminal', () => {
    const file = newFile();
    openFile(file, 'T1').close();
    expect(codeOf(() => openFile(file, 'T2'))).toBe('TERMINAL_FENCED');
    expect(codeOf(() => openFile(file, 'T1'))).toBe('opened');
  });

  it('in which another program uses one of our names', () => {
    const file = newFile();
    const app = new Database(file);
    app.exec('CREATE TABLE sync_outbox (id INTEGER PRIMARY KEY, payload TEXT)');
    app.close();
    expect(codeOf(() => openFile(file))).toBe('TERMINAL_DB_INVALID');
  });

  it('locked by the app: waiting helps', () => {
    const file = newFile();
    const app = new Database(file);
    app.exec('BEGIN EXCLUSIVE');
    expect(codeOf(() => openFile(file))).toBe('TERMINAL_DB_BUSY');
    app.exec('COMMIT');
    app.close();
    expect(codeOf(() => openFile(file))).toBe('opened');
  });
});

describe('one agent at a time', () => {
  it('in one process', () => {
    const file = newFile();
    const first = openFile(file);
    expect(codeOf(() => openFile(file))).toBe('TERMINAL_DB_IN_USE');
    first.close();
    expect(codeOf(() => openFile(file))).toBe('opened');
  });

  it('in several, and a killed one is no longer in the way', async () => {
    const file = newFile();
    const script = `import Database from 'better-sqlite3';
      const db = new Database(process.argv[1]); db.exec('BEGIN EXCLUSIVE'); console.log('locked'); setInterval(() => db.name, 1000);`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script, `${file}.sync-lock`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = holder;
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    expect(codeOf(() => openFile(file))).toBe('TERMINAL_DB_IN_USE');
    const gone = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill('SIGKILL');
    await gone;
    expect(codeOf(() => openFile(file))).toBe('opened');
  });
});

describe("the app's file", () => {
  it.each(['wal', 'delete'] as const)('keeps its journal mode %s', (journalMode) => {
    till = openTestTill({ schema: SCHEMA, mapping: MAPPING, journalMode });
    till.app.exec(`INSERT INTO items (name) VALUES ('a')`);
    till.till.write(() => till?.till.setMeta('x', '1'));
    expect(till.app.pragma('journal_mode', { simple: true })).toBe(journalMode);
    expect(recorded(till.app)).toHaveLength(1);
  });

  it('is not changed by opening it a second time', () => {
    till = openTestTill({ schema: SCHEMA, mapping: MAPPING });
    const version = () => till?.app.pragma('schema_version', { simple: true });
    const before = version();
    const data = till.app.pragma('data_version', { simple: true });
    till.reopen();
    expect(version()).toBe(before);
    expect(till.app.pragma('data_version', { simple: true })).toBe(data);
  });

  it('gets new columns and tables recorded as soon as the agent sees them', () => {
    till = openTestTill({ schema: SCHEMA, mapping: `${MAPPING}  more: {scope: global}\n` });
    expect(till.till.binding.missing.map((table) => table.local)).toEqual(['more']);
    till.app.exec(
      'ALTER TABLE items ADD COLUMN price NUMERIC; CREATE TABLE more (id INTEGER PRIMARY KEY, v)',
    );
    expect(till.till.appCommitted()).toBe(true);
    expect(till.till.generation).toBe(1);
    till.app.exec(`INSERT INTO items (name, price) VALUES ('a', 1.5); INSERT INTO more (v) VALUES (1)`);
    expect(recorded(till.app)).toMatchObject([
      { table: 'items', op: 'c' },
      { table: 'more', op: 'c' },
    ]);
  });

  it('is put right after the app rebuilt a table', () => {
    till = openTestTill({ schema: SCHEMA, mapping: MAPPING });
    till.app
      .exec(`INSERT INTO items (name) VALUES ('a'); CREATE TABLE items_new (id INTEGER PRIMARY KEY, name TEXT, extra);
      INSERT INTO items_new (id, name) SELECT id, name FROM items; DROP TABLE items; ALTER TABLE items_new RENAME TO items`);
    expect(till.till.appCommitted()).toBe(true);
    till.app.exec(`INSERT INTO items (name, extra) VALUES ('b', 'e')`);
    expect(recorded(till.app)).toMatchObject([
      { op: 'c', key: 1 },
      { op: 'c', key: 2 },
    ]);
  });

  it('keeps a mapping that came through the log', () => {
    till = openTestTill({
      schema: `${SCHEMA}; CREATE TABLE more (id INTEGER PRIMARY KEY, v)`,
      mapping: MAPPING,
    });
    till.till.adoptMapping(2, `${MAPPING}  more: {scope: global}\n`);
    expect(till.till.mappingVersion).toBe(2);
    expect(till.reopen().mappingVersion).toBe(2);
    till.app.exec('INSERT INTO more (v) VALUES (1)');
    expect(recorded(till.app)).toHaveLength(1);
  });

  it('has no triggers left on tables that are no longer mapped', () => {
    till = openTestTill({
      schema: `${SCHEMA}; CREATE TABLE more (id INTEGER PRIMARY KEY, v)`,
      mapping: `${MAPPING}  more: {scope: global}\n`,
    });
    till.till.adoptMapping(2, MAPPING);
    till.app.exec('INSERT INTO more (v) VALUES (1)');
    expect(recorded(till.app)).toEqual([]);
  });
});
