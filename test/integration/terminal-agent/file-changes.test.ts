/** What happens to a till's file while its agent runs: nothing of another file is cut or settled, and nothing ends. */
import { copyFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import { AgentTill } from '../../support/agent-till.ts';
import { product } from '../../support/shop-till.ts';

let till: AgentTill;
afterEach(() => till.close());

const sell = (number: string) =>
  till.app.prepare('INSERT INTO orders (number, total) VALUES (?, 1)').run(number);
const numbersSent = async () =>
  (await till.published()).flatMap(({ table, op, columns }) =>
    table === 'orders' && op === 'c'
      ? columns.filter(({ name }) => name === 'number').map((column) => column.new)
      : [],
  );
const sent = (number: string) =>
  till.until(`${number} is sent`, async () => (await numbersSent()).includes(number));
const troubles = () =>
  till.fileHealth.flatMap((health) => (health.state === 'unready' ? [health.error.code] : []));
const reopened = () =>
  till.until(
    'the file is opened anew',
    () => troubles().includes('TERMINAL_DB_REPLACED') && till.fileHealth.at(-1)?.state === 'ready',
  );
const announced = () =>
  till.until('the till announces another file', () => till.agent.status().state === 'announced');

describe('a file that takes the place of the till file', () => {
  it('by the backup API, older than what was sent, is found out before anything of it is cut', async () => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    const copy = join(till.folder, 'copy.db');
    await till.app.backup(copy);
    sell('lost with the file');
    await sent('lost with the file');
    const yesterday = new Database(copy);
    await yesterday.backup(till.file);
    yesterday.close();
    sell('after');
    sell('after, too');
    await reopened();
    await announced();
    expect(await numbersSent()).toEqual(['before', 'lost with the file']);
    expect(till.rows('SELECT outcome FROM sync_settled')).toEqual([]);
  });

  it('by a rename is served, not the one that nobody opens any more', async () => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    till.app.pragma('wal_checkpoint(TRUNCATE)');
    const next = join(till.folder, 'next.db');
    copyFileSync(till.file, next);
    renameSync(next, till.file);
    till.restartApp();
    sell('in the new file');
    await reopened();
    await sent('in the new file');
    expect(await numbersSent()).toEqual(['before', 'in the new file']);
  });

  it('by the backup API, with all that was sold but not all that came down, is read on where it stands', async () => {
    till = await AgentTill.start();
    const { catalog } = till;
    sell('before');
    await sent('before');
    const named = (name: string) => till.rows(`SELECT 1 FROM products WHERE name = '${name}'`).length === 1;
    const copy = join(till.folder, 'copy.db');
    await till.app.backup(copy);
    await till.toCatalog(catalog.commit(0x100, catalog.row('products', 7, product('A', { name: 'first' }))));
    await till.until('the first row', () => named('first'));
    const evening = new Database(copy);
    await evening.backup(till.file);
    evening.close();
    await till.toCatalog(catalog.commit(0x120, catalog.row('products', 8, product('B', { name: 'second' }))));
    await till.until('both rows', () => named('first') && named('second'));
    sell('after');
    await sent('after');
  });

  it('by an older copy over it is opened anew, although SQLite tells of no commit', async () => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    till.app.pragma('wal_checkpoint(TRUNCATE)');
    const copy = join(till.folder, 'copy.db');
    copyFileSync(till.file, copy);
    till.app.exec('CREATE TABLE more (a); CREATE TABLE still_more (a)');
    sell('lost with the file');
    await sent('lost with the file');
    till.app.pragma('wal_checkpoint(TRUNCATE)');
    await till.until('the agent has seen the newer one', () => {
      till.agent.till.appCommitted();
      return till.agent.till.binding.tables.size > 0;
    });
    // It keeps its inode.
    copyFileSync(copy, till.file);
    await reopened();
    await announced();
    expect(await numbersSent()).toEqual(['before', 'lost with the file']);
  });

  it('is not suspected because the app copies its log into it', async () => {
    till = await AgentTill.start();
    for (const mode of ['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE']) {
      sell(mode);
      await sent(mode);
      till.app.pragma(`wal_checkpoint(${mode})`);
    }
    till.app.exec('VACUUM');
    sell('after');
    await sent('after');
    expect(troubles()).toEqual([]);
  });

  it('that comes late is waited for', async () => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    till.app.pragma('wal_checkpoint(TRUNCATE)');
    const away = join(till.folder, 'away.db');
    renameSync(till.file, away);
    await till.until('it is missed', () => troubles().includes('TERMINAL_DB_MISSING'));
    renameSync(away, till.file);
    till.restartApp();
    sell('after');
    await sent('after');
  });

  it('that loses its -wal is opened anew, with all that was sold', async () => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    rmSync(`${till.file}-wal`);
    till.app.close();
    await reopened();
    till.restartApp();
    sell('after');
    await sent('after');
    expect(till.rows('SELECT number FROM orders ORDER BY id')).toEqual([
      { number: 'before' },
      { number: 'after' },
    ]);
  });
});

describe('what the app sells is sent', () => {
  it('in whatever journal mode the file is, and by a mode that comes while the agent runs, or is away', async () => {
    till = await AgentTill.start({}, { journalMode: 'delete' });
    sell('delete');
    await sent('delete');
    till.app.pragma('journal_mode = WAL');
    sell('wal');
    await sent('wal');
    await till.stopAgent();
    sell('away');
    expect(till.app.pragma('journal_mode = DELETE', { simple: true })).toBe('delete');
    sell('back');
    till.run();
    await sent('back');
    const modes = ['TRUNCATE', 'PERSIST', 'MEMORY', 'OFF'];
    for (const mode of modes) {
      till.app.pragma(`journal_mode = ${mode}`);
      sell(mode);
      await sent(mode);
    }
    expect(await numbersSent()).toEqual(['delete', 'wal', 'away', 'back', ...modes]);
    expect(troubles()).toEqual([]);
  });

  it('by a connection to another file that has it attached, whatever that file holds', async () => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    const other = new Database(join(till.folder, 'other.db'));
    other.exec(`CREATE TABLE sync_outbox (a); CREATE TABLE sync_silence (a); INSERT INTO sync_silence VALUES (1);
      CREATE TABLE own (a); ATTACH '${till.file}' AS pay;
      BEGIN; INSERT INTO pay.orders (number) VALUES ('attached'); INSERT INTO own VALUES (1); COMMIT;
      INSERT INTO orders (number) VALUES ('by its bare name')`);
    other.close();
    await sent('by its bare name');
    expect(await numbersSent()).toEqual(['before', 'attached', 'by its bare name']);
  });
});

describe('a file that can not be used for a while', () => {
  it('because the app holds it exclusively when the agent starts is waited for', async () => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    await till.stopAgent();
    till.app.pragma('wal_checkpoint(TRUNCATE)');
    till.restartApp();
    till.app.pragma('locking_mode = EXCLUSIVE');
    sell('held');
    till.run();
    await till.until('it is said', () => troubles().includes('TERMINAL_DB_BUSY'));
    sell('still held');
    till.restartApp();
    await sent('still held');
    expect(await numbersSent()).toEqual(['before', 'held', 'still held']);
  });

  it('because the app locks it exclusively is waited for, and the sales made so are sent', async () => {
    till = await AgentTill.start({}, { journalMode: 'delete' });
    sell('before');
    await sent('before');
    const parts = till.health;
    till.app.exec('BEGIN EXCLUSIVE');
    sell('within');
    await till.until('it is said', () => parts.report().some(({ code }) => code === 'TERMINAL_DB_BUSY'));
    // Longer than a part waits before it asks again.
    await till.until('all parts say so', () =>
      ['capture', 'publisher'].every((name) =>
        parts.report().some((part) => part.name === name && part.code === 'TERMINAL_DB_BUSY'),
      ),
    );
    till.app.exec('COMMIT');
    await sent('within');
  });

  it('because it is overwritten with something else comes back by itself', async () => {
    till = await AgentTill.start();
    sell('before');
    await sent('before');
    till.app.pragma('wal_checkpoint(TRUNCATE)');
    const kept = join(till.folder, 'kept.db');
    copyFileSync(till.file, kept);
    till.app.close();
    renameSync(till.file, join(till.folder, 'away.db'));
    writeFileSync(till.file, 'half a copy, still on its way');
    await till.until('it is said', () => troubles().includes('TERMINAL_DB_INVALID'));
    rmSync(till.file);
    renameSync(kept, till.file);
    till.restartApp();
    sell('after');
    await sent('after');
  });
});
