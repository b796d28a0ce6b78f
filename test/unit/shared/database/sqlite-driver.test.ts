import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { packageRoot } from '../../../../services/shared/paths.ts';

/**
 * Statements are dropped by the thousand, and then other garbage piles up between turns of the event loop, so that
 * collections run in tasks of the engine's, outside of any JavaScript: a driver whose destructor needs a running
 * context ends the process there.
 */
const LOOP = `
  import Database from 'better-sqlite3';
  const db = new Database(':memory:');
  for (let each = 0; each < 60_000; each += 1) {
    db.prepare('SELECT ' + each).all();
    if (each % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  for (let turn = 0; turn < 40; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const garbage = [];
    for (let each = 0; each < 100_000; each += 1) garbage.push({ each });
  }
  console.log('alive');
`;

it('statements that are collected outside of JavaScript do not end the process', async () => {
  const args = ['--input-type=module', '-e', LOOP];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: packageRoot() });
  expect(stdout.trim()).toBe('alive');
});
