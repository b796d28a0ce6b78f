/** Units of which nothing is open, and that the centre may lack all the same: the chain is whole only with them. */
import Database from 'better-sqlite3';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { oldDigest } from '../../../../services/terminal-agent/take-over/old-digest.ts';
import { OldOutbox } from '../../../../services/terminal-agent/take-over/old-outbox.ts';
import { OpenUnits } from '../../../../services/terminal-agent/settle/open-units.ts';
import { unsettledUnits } from '../../../../services/terminal-agent/settle/unsettled-units.ts';
import { TakenTill } from '../../../support/taken-till.ts';

let old: TakenTill;

beforeEach(() => {
  old = new TakenTill();
});
afterEach(() => old.close());

/** All that the till recorded is settled; its last unit is 5, with one entry that never goes up. */
function endWith(table: string, op: string, publishedAtMs: number | null): void {
  const { app } = old;
  app.exec(`DELETE FROM sync_outbox WHERE seq > 8;
    UPDATE sync_outbox SET outcome = 'applied' WHERE outcome IS NULL;
    UPDATE sync_outbox SET table_name = '${table}', op = '${op}', outcome = 'local' WHERE seq = 8;
    DELETE FROM sync_change_products WHERE seq >= 8;
    INSERT INTO sync_change_${table} (seq, identity) VALUES (8, 'some row');
    UPDATE sqlite_sequence SET seq = 8 WHERE name = 'sync_outbox';
    UPDATE sync_meta SET value = json_set(value, '$.lastSeq', 7, '$.lastUnit', 4, '$.chainHash', NULL)
     WHERE name = 'progress'`);
  const form = { registration: 1, coversTime: true };
  const hash = oldDigest(new OldOutbox(app).entries(8, 8), form);
  const file = new Database(join(old.folder, 'T1.agent.db'));
  file.exec('UPDATE unit SET published_at_ms = 1');
  file
    .prepare(
      `INSERT INTO unit SELECT 5, 8, 8, 1, ?, hash, '[8]', cut_at_ms, ?, 1, 1, 1 FROM unit WHERE number = 4`,
    )
    .run(hash, publishedAtMs);
  file.close();
}

const CASES = [
  ['an edit of a table that only comes down, not published', 'settings', 'u', null],
  ['a key alone, not published', 'orders', 'k', null],
  ['a key alone, published, and the centre has not said that it has it', 'orders', 'k', 1],
] as const;

describe('a unit of the version before of which nothing is open', () => {
  it.each(CASES)('goes up ahead of the next sale: %s', (_what, table, op, publishedAtMs) => {
    endWith(table, op, publishedAtMs);
    old.open();
    expect(old.capture.checkFile()).toBeUndefined();
    expect(old.agentFile.unpublished(Infinity, 9).map(({ number }) => number)).toEqual([5]);
    old.app.exec(`INSERT INTO orders (number) VALUES ('the next sale')`);
    old.capture.cutAll();
    const [before, next, ...more] = old.units(8);
    expect(before).toMatchObject({ number: 5, firstSeq: 8, lastSeq: 8, changes: [] });
    expect(next).toMatchObject({ number: 6, previousHash: before?.hash, changes: [{ table: 'orders' }] });
    expect(more).toEqual([]);
  });
});

it('a unit leaves out what was settled before an earlier hand-over', () => {
  const { app } = old;
  app.exec(`UPDATE sync_outbox SET outcome = 'applied' WHERE seq = 6`);
  const entries = new OldOutbox(app).entries(5, 7).filter(({ seq }) => seq !== 6);
  const hash = oldDigest(entries, { registration: 1, coversTime: true });
  const file = new Database(join(old.folder, 'T1.agent.db'));
  file.prepare('UPDATE unit SET hash = ? WHERE number = 4').run(hash);
  file.exec('INSERT INTO settled_before VALUES (6, 6)');
  file.close();
  old.open();
  expect(old.capture.checkFile()).toBeUndefined();
  const [unit] = old.units(5);
  expect(unit?.hash).toEqual(hash);
  expect(unit?.changes.map(({ seq }) => seq)).toEqual([5, 7]);
});

it('what is cut anew under the same name, with lower numbers, is open', () => {
  old.open();
  old.capture.checkFile();
  const open = new OpenUnits(old.till.db, old.agentFile);
  const settle = old.app.prepare(
    'INSERT OR REPLACE INTO sync_settled (incarnation, change, outcome) VALUES (?, ?, ?)',
  );
  const { incarnation } = old.agentFile;
  for (const number of old.agentFile.changes.numbersAfter(0, 100)) settle.run(incarnation, number, 'applied');
  expect(open.oldest()).toBeUndefined();
  old.app.prepare('DELETE FROM sync_settled WHERE incarnation = ? AND change = 3').run(incarnation);
  old.agentFile.goOn(unsettledUnits(old.till.db, old.agentFile), { upTo: 0, id: null });
  expect(open.oldest()).toBe(3);
});
