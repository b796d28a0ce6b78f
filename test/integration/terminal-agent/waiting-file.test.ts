/** What is cut and not sent while a file waits for the centre to go on with it, whatever becomes of payflow.db meanwhile. */
import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import type { TerminalAgentOptions } from '../../../services/terminal-agent/agent.ts';
import { isAnnouncement } from '../../../services/shared/records/unit-record.ts';
import { AgentTill } from '../../support/agent-till.ts';
import { wrappedLog } from '../../support/wrapped-log.ts';

let till: AgentTill;
afterEach(() => till.close());

const sell = (number: string) =>
  till.app.prepare('INSERT INTO orders (number, total) VALUES (?, 5.25)').run(number);
const incarnation = () => till.agent.till.incarnation;
const open = () => till.agent.apply.unsettled().length;
const announcements = async () => (await till.records()).filter(isAnnouncement);
const tell = (
  lsn: number,
  name: string,
  lastSeq: number,
  options: Parameters<AgentTill['store']['progress']>[3],
) => till.toStore(till.store.commit(lsn, till.store.progress('T1', name, lastSeq, options)));
const goesOn = (lsn: number, name: string) =>
  tell(lsn, name, 0, { lastUnit: 0, chainHash: Buffer.alloc(32) });

/** Every record that went up: an announcement by its name alone, else with the numbers of the orders in it. */
const sent = async () =>
  (await till.records()).flatMap((record) =>
    isAnnouncement(record)
      ? [record.incarnation]
      : record.units.flatMap(({ changes }) =>
          changes.map(
            ({ columns }) =>
              `${record.incarnation} ${String(columns.find(({ name }) => name === 'number')?.new)}`,
          ),
        ),
  );

async function putBack(kept: Buffer): Promise<void> {
  await till.stopAgent();
  till.app.close();
  for (const part of ['-wal', '-shm']) rmSync(till.file + part, { force: true });
  writeFileSync(till.file, kept);
  till.restartApp();
}

it.each(['before', 'after'])(
  'goes up under the name that was announced, where the file is put back again; the publisher looks %s the centre has said so',
  async (publisherLooks) => {
    let release = () => undefined as void;
    const released = new Promise<void>((resolve) => (release = resolve));
    let isSlow = false;
    const options: Partial<TerminalAgentOptions> = { mode: 'manual' };
    till = await AgentTill.start(options);
    const slowLog = wrappedLog(till.log, {
      offsets: async (stream) => {
        if (isSlow && stream.topic.includes('up')) await released;
        return till.log.offsets(stream);
      },
    });
    const kept = till.app.serialize();
    sell('sent');
    const asked = till.agent.flush({ timeoutMs: 60_000 }).catch(() => undefined);
    await till.until('the first is sent', async () => (await till.published()).length === 1);
    sell('unsent');
    await till.until('both are cut', () => open() === 2);
    const first = incarnation();
    const pushed = till.agent.catchUp({ lsn: '0/100', timeoutMs: 60_000 }).catch(() => undefined);
    await tell(0x100, first, 9, { lastUnit: 9, chainHash: Buffer.alloc(32, 7) });
    await till.until('it is announced', async () => (await announcements()).length === 1);
    const second = incarnation();
    Object.assign(options, { eventLog: slowLog });
    await putBack(kept);
    await Promise.all([asked, pushed]);
    if (publisherLooks === 'after') {
      isSlow = true;
      await goesOn(0x200, second);
      till.run();
      await till.until('it takes another name', () => incarnation() !== second);
      release();
    } else {
      till.run();
      await till.until('it is announced again', async () => (await announcements()).length === 2);
      await goesOn(0x200, second);
    }
    await till.until('the third name is announced', async () =>
      (await announcements()).some(
        (record) => record.incarnation === incarnation() && incarnation() !== second,
      ),
    );
    const third = incarnation();
    const all = await sent();
    expect(all.slice(0, 2)).toEqual([`${first} sent`, second]);
    expect(all.filter((line) => line.startsWith(first))).toHaveLength(1);
    expect(all.slice(all.indexOf(`${second} sent`))).toEqual([`${second} sent`, `${second} unsent`, third]);
    await goesOn(0x300, third);
    await till.until('it goes on', () => till.agent.status().state === 'ready');
  },
);

it('is known to go on in manual mode, too, also where the centre had fenced it', async () => {
  till = await AgentTill.start({ mode: 'manual' });
  sell('n1');
  await till.until('it is cut', () => open() === 1);
  const before = incarnation();
  const flushed = till.agent.flush({ timeoutMs: 60_000 }).catch((error: { code: string }) => error.code);
  await till.until('it is published', async () => (await till.published()).length === 1);
  await tell(0x100, before, 1, { lastUnit: 1, chainHash: Buffer.alloc(32, 7), fenced: 'a reason' });
  expect(await flushed).toBe('TERMINAL_FENCED');
  await till.until('it is announced', async () => (await announcements()).length === 1);
  await tell(0x200, incarnation(), 0, { lastUnit: 0, chainHash: Buffer.alloc(32) });
  await till.until('it goes on', () => till.agent.status().state === 'ready');
});
