import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedLog } from '../../../services/shared/log/embedded-log.ts';
import { keepPrivate, makePrivateFolder, narrowFile } from '../../../services/shared/private-files.ts';
import { AgentFile } from '../../../services/terminal-agent/units/agent-file.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-private-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('what we keep', () => {
  it('is its owner’s only: the event log and what SQLite has beside it, in a new folder and in an old one', async () => {
    for (const name of ['new', 'old']) {
      const dir = join(folder, name);
      const file = join(dir, 'event-log.db');
      if (name === 'old') {
        mkdirSync(dir, { mode: 0o777 });
        chmodSync(dir, 0o777);
        writeFileSync(file, '');
        chmodSync(file, 0o666);
      }
      const log = new EmbeddedLog({ file, log: pino({ level: 'silent' }), maintenanceMs: 0 });
      expect([file, `${file}-wal`, `${file}-shm`].map(modeOf)).toEqual(['600', '600', '600']);
      // Where root starts PostgreSQL in it, that account has to get through.
      expect(modeOf(dir)).toBe(process.getuid?.() === 0 ? '711' : '700');
      await log.close();
    }
  });

  it('is its owner’s only: an agent file that an earlier version left open', () => {
    const dir = join(folder, 'agent');
    mkdirSync(dir);
    chmodSync(dir, 0o755);
    const file = join(dir, 't-1.agent.db');
    const before = new Database(file);
    before.pragma('journal_mode = WAL');
    before.exec('CREATE TABLE x (y)');
    chmodSync(file, 0o644);
    chmodSync(`${file}-wal`, 0o644);
    const agent = AgentFile.open(dir, 't-1');
    expect([file, `${file}-wal`].map(modeOf)).toEqual(['600', '600']);
    expect(modeOf(dir)).toBe('700');
    agent.close();
    before.close();
  });

  it('never narrows a folder in which somebody else has something', () => {
    const shop = join(folder, 'shop');
    mkdirSync(shop);
    chmodSync(shop, 0o775);
    writeFileSync(join(shop, 'payflow.db'), '');
    chmodSync(join(shop, 'payflow.db'), 0o664);
    makePrivateFolder(shop);
    keepPrivate(join(shop, 't-1.agent.db'));
    expect([shop, join(shop, 'payflow.db'), join(shop, 't-1.agent.db')].map(modeOf)).toEqual([
      '775',
      '664',
      '600',
    ]);
  });

  it('is left alone where it is narrow already, and not made where it is missing', () => {
    const file = join(folder, 'key');
    narrowFile(file);
    writeFileSync(file, '', { mode: 0o400 });
    narrowFile(file);
    expect(modeOf(file)).toBe('400');
  });
});
