import {
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identityOf } from '../../../../services/terminal-agent/till/file-handle.ts';
import { FileWatch } from '../../../../services/terminal-agent/till/file-watch.ts';

const UNREAD = { identity: '', changeCounter: () => 1 };

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
    const watch = new FileWatch({ ...UNREAD, path: file, file, isWal: () => false, now: () => clock.now });
    expect(watch.mayHaveChanged()).toBe(true);
    expect(watch.mayHaveChanged()).toBe(false);
    utimesSync(file, 2, 2);
    expect(watch.mayHaveChanged()).toBe(true);
    expect(watch.mayHaveChanged()).toBe(false);
    clock.now += 1000;
    expect(watch.mayHaveChanged()).toBe(true);
  });

  it('in WAL mode can be asked at any time', () => {
    const none = join(folder, 'none');
    const watch = new FileWatch({ ...UNREAD, path: none, file: none, isWal: () => true, now: () => 0 });
    expect([watch.mayHaveChanged(), watch.mayHaveChanged()]).toEqual([true, true]);
  });
});

describe('the file at its path', () => {
  const replaced = expect.objectContaining({ code: 'TERMINAL_DB_REPLACED' }) as Error;

  function watched({ isWal = true, linked = false } = {}) {
    const file = join(folder, 'payflow.db');
    const path = linked ? join(folder, 'link.db') : file;
    writeFileSync(file, '');
    writeFileSync(`${file}-wal`, '');
    utimesSync(file, 1, 1);
    if (linked) symlinkSync(file, path);
    const clock = { now: 0 };
    const mode = { isWal };
    const counter: { now: number | undefined } = { now: 7 };
    const watch = new FileWatch({
      path,
      file,
      isWal: () => mode.isWal,
      now: () => clock.now,
      identity: identityOf(statSync(path, { bigint: true })),
      changeCounter: () => counter.now,
    });
    const look = () => {
      clock.now += 1000;
      watch.check();
    };
    return { file, path, watch, look, mode, clock, counter };
  }

  it('may stay as it is', () => {
    const { look } = watched();
    expect(() => {
      look();
      look();
    }).not.toThrow();
  });

  it('is another one after a rename', () => {
    const { file, look } = watched();
    writeFileSync(join(folder, 'next.db'), '');
    renameSync(join(folder, 'next.db'), file);
    expect(look).toThrow(replaced);
  });

  it('is looked at once a second', () => {
    const { file, watch, clock } = watched();
    unlinkSync(file);
    clock.now += 999;
    expect(() => watch.check()).not.toThrow();
    clock.now += 1;
    expect(() => watch.check()).toThrow(replaced);
  });

  it('is another one where a link leads elsewhere', () => {
    const { path, look } = watched({ linked: true });
    look();
    writeFileSync(join(folder, 'next.db'), '');
    unlinkSync(path);
    symlinkSync(join(folder, 'next.db'), path);
    expect(look).toThrow(replaced);
  });

  it.each(['taken away', 'made anew'])('has lost its -wal where that is %s', (deed) => {
    const { file, look } = watched();
    // A file that is made while the other still stands has another inode.
    writeFileSync(join(folder, 'other'), '');
    rmSync(`${file}-wal`);
    if (deed === 'made anew') renameSync(join(folder, 'other'), `${file}-wal`);
    expect(look).toThrow(replaced);
  });

  it('may change its journal mode', () => {
    const { file, look, mode } = watched({ isWal: false });
    rmSync(`${file}-wal`);
    look();
    mode.isWal = true;
    writeFileSync(`${file}-wal`, '');
    expect(() => {
      look();
      look();
    }).not.toThrow();
  });

  it('may be written by commits and checkpoints, which never take its change counter back', () => {
    const { file, look, counter } = watched();
    for (const [time, now] of [
      [2, 7],
      [3, 8],
      [4, 8],
    ] as const) {
      utimesSync(file, time, time);
      counter.now = now;
      expect(look).not.toThrow();
    }
  });

  it('was copied over where its change counter went back', () => {
    const { file, look, counter } = watched();
    utimesSync(file, 2, 2);
    counter.now = 9;
    look();
    utimesSync(file, 3, 3);
    counter.now = 8;
    expect(look).toThrow(replaced);
  });

  it('was written over where it is no database any more', () => {
    const { file, look, counter } = watched();
    utimesSync(file, 2, 2);
    counter.now = undefined;
    expect(look).toThrow(replaced);
  });

  it('with a rollback journal is written by every commit', () => {
    const { file, look } = watched({ isWal: false });
    utimesSync(file, 2, 2);
    look();
    expect(look).not.toThrow();
  });
});
