import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileWatch } from '../../../../services/terminal-agent/till/file-watch.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-watch-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a till file with a rollback journal', () => {
  it('is asked only after its time changed, or once a second', () => {
    const file = join(folder, 'payflow.db');
    writeFileSync(file, '');
    utimesSync(file, 1, 1);
    const clock = { now: 0 };
    const watch = new FileWatch(file, { isWal: false, now: () => clock.now });
    expect(watch.mayHaveChanged()).toBe(true);
    expect(watch.mayHaveChanged()).toBe(false);
    utimesSync(file, 2, 2);
    expect(watch.mayHaveChanged()).toBe(true);
    expect(watch.mayHaveChanged()).toBe(false);
    clock.now += 1000;
    expect(watch.mayHaveChanged()).toBe(true);
  });

  it('in WAL mode can be asked at any time', () => {
    const watch = new FileWatch(join(folder, 'none'), { isWal: true, now: () => 0 });
    expect([watch.mayHaveChanged(), watch.mayHaveChanged()]).toEqual([true, true]);
  });
});
