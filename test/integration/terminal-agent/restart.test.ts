/** What a killed agent publishes and cuts when it is started again. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { PayflowError } from '../../../services/shared/errors.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { WRITES_BEFORE } from '../../../services/terminal-agent/capture.ts';
import { goOn } from '../../../services/terminal-agent/settle/unsettled-units.ts';
import { sell, useTillPull } from '../../support/till-pull.ts';

const till = useTillPull();

describe('a restart', () => {
  it('between publishing and remembering it publishes the same units again', async () => {
    const t = await till();
    sell(t, 1);
    t.capture.cutAll();
    sell(t, 2);
    t.capture.cutAll();
    const dies: EventLog = Object.assign(Object.create(t.log) as EventLog, {
      append: async (...args: Parameters<EventLog['append']>) => {
        await t.log.append(...args);
        throw new PayflowError('LOG_UNREACHABLE', 'the reply was lost');
      },
    });
    await expect(t.newPublisher(dies).publishNext()).rejects.toThrow('the reply was lost');
    t.restart();
    sell(t, 3);
    await t.pull();
    const units = await t.units();
    expect(units.map(({ number }) => number)).toEqual([1, 2, 1, 2, 3]);
    expect(units.slice(2, 4)).toEqual(units.slice(0, 2));
  });

  it('never cuts a unit again, whatever came since', async () => {
    const t = await till();
    sell(t, 1);
    const cut = t.capture.cutUnit();
    sell(t, 2);
    t.restart();
    expect(t.capture.checkFile()).toBeUndefined();
    t.capture.cutAll();
    expect(t.agentFile.holding(1)?.hash).toEqual(cut?.hash);
    expect(t.agentFile.last()).toMatchObject({ number: 2, firstSeq: 6, lastSeq: 10 });
  });

  it('after a power cut finds what it has sent, although the app waits for no disk', async () => {
    const t = await till();
    t.app.pragma('synchronous = NORMAL');
    const durable = new Map<string, Buffer>();
    const parts = [t.test.file, `${t.test.file}-wal`];
    const keep = () => parts.forEach((part) => durable.set(part, readFileSync(part)));
    keep();
    t.till.makeDurable = keep;
    sell(t, 1);
    const unit = t.capture.cutUnit();
    sell(t, 2);
    t.test.till.close();
    t.app.close();
    for (const [part, bytes] of durable) writeFileSync(part, bytes);
    t.restart();
    expect(t.capture.checkFile()).toBeUndefined();
    expect(t.agentFile.last()?.hash).toEqual(unit?.hash);
    expect(t.capture.cutUnit()).toBeUndefined();
  });

  it('of a file that goes on after a hand-over, and has no unit yet, finds out an older copy', async () => {
    const t = await till();
    sell(t, 1);
    t.capture.cutAll();
    const older = t.app.serialize();
    sell(t, 2);
    t.capture.cutAll();
    t.agentFile.renounce({ why: 'a test' }, 'incarnation-2');
    t.agentFile.goOn([], t.agentFile.cutEntries);
    t.restart();
    expect(t.capture.checkFile()).toBeUndefined();
    const copy = join(t.test.folder, 'older.db');
    writeFileSync(copy, older);
    const backup = new Database(copy);
    await backup.backup(t.test.file);
    backup.close();
    expect(() => t.capture.cutUnit()).toThrow(
      expect.objectContaining({ code: 'TERMINAL_DB_REPLACED' }) as Error,
    );
    t.restart();
    expect(t.capture.checkFile()?.code).toBe('TERMINAL_FENCED');
    // Also once it has sold as much again.
    for (let orders = 3; orders < 10; orders += 1) sell(t, orders);
    t.agentFile.setMeta(WRITES_BEFORE, String(t.till.proof.writes + 1));
    t.restart();
    expect(t.capture.checkFile()?.code).toBe('TERMINAL_FENCED');
    expect(t.capture.cutUnit()).toBeUndefined();
  });

  it('of a file that was put back and goes on sends what it has, under the numbers and names that it had', async () => {
    const t = await till();
    sell(t, 1);
    await t.pull();
    t.till.write(() => t.capture.settleIn());
    const before = await t.changes();
    const older = t.app.serialize();
    sell(t, 2);
    await t.pull();
    const copy = join(t.test.folder, 'older.db');
    writeFileSync(copy, older);
    const backup = new Database(copy);
    await backup.backup(t.test.file);
    backup.close();
    sell(t, 3);
    t.restart();
    expect(t.capture.checkFile()?.code).toBe('TERMINAL_FENCED');
    t.agentFile.renounce({ why: 'a test' }, 'incarnation-2');
    const sent = (await t.changes()).length;
    goOn(t.till, t.agentFile);
    t.restart();
    expect(t.capture.checkFile()).toBeUndefined();
    await t.pull();
    const again = (await t.changes()).slice(sent);
    const named = (list: typeof again) => list.map(({ seq, entry, row }) => ({ seq, entry, row }));
    expect(named(again.slice(0, 5))).toEqual(named(before));
    expect(again.slice(5).map(({ op, seq }) => [op, seq])).toEqual([6, 7, 8, 9, 10].map((seq) => ['c', seq]));
    expect((await t.units()).at(-1)?.number).toBe(1);
  });

  it('on an older copy of payflow.db fences the till: nothing more is cut or published', async () => {
    const t = await till();
    sell(t, 1);
    t.app.pragma('wal_checkpoint(TRUNCATE)');
    const copy = join(t.test.folder, 'copy.db');
    copyFileSync(t.test.file, copy);
    sell(t, 2);
    await t.pull();
    t.test.till.close();
    t.app.pragma('wal_checkpoint(TRUNCATE)');
    t.app.close();
    copyFileSync(copy, t.test.file);
    t.restart();
    expect(t.capture.checkFile()?.code).toBe('TERMINAL_FENCED');
    expect(t.capture.cutUnit()).toBeUndefined();
  });
});
