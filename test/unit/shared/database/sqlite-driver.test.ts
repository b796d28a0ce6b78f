import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { packageRoot } from '../../../../services/shared/paths.ts';

/**
 * Statements are dropped by the thousand, and the collections that free them also run outside of any JavaScript: a
 * driver whose destructor needs a running context ends the process then.
 */
const LOOP = `
  import Database from 'better-sqlite3';
  import { setImmediate } from 'node:timers/promises';
  const db = new Database(':memory:');
  db.exec('CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)');
  let rows = 0;
  for (let round = 0; round < 150; round += 1) {
    for (let each = 0; each < 100; each += 1) {
      db.prepare('INSERT INTO t (b) VALUES (?)').run('x' + each);
      rows += db.prepare('SELECT count(*) AS n FROM t WHERE a > ' + each).all().length;
    }
    gc({ type: 'minor', execution: 'async' });
    await gc({ type: 'major', execution: 'async' });
    await setImmediate();
  }
  console.log(rows);
`;

it('statements that are collected outside of JavaScript do not end the process', async () => {
  const args = ['--expose-gc', '--max-semi-space-size=1', '--input-type=module', '-e', LOOP];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: packageRoot() });
  expect(stdout.trim()).toBe('15000');
});
