/** A file that waits for the centre to go on with it: in a mode in which nobody asks, and with units that are in no log. */
import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { PayflowError } from '../../../services/shared/errors.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
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

/** The app and its file, put back as they were then, while the agent is stopped. */
async function putBack(kept: Buffer): Promise<void> {
  await till.stopAgent();
  till.app.close();
  for (const part of ['-wal', '-shm']) rmSync(till.file + part, { force: true });
  writeFileSync(till.file, kept);
  till.restartApp();
}

const numbersSent = async (): Promise<unknown[]> =>
  (await till.published()).map(({ columns }) => columns.find(({ name }) => name === 'number')?.new);

describe('units that only the agent file still has', () => {
  it('go up before a file goes on, also where it was put back once more after it had announced itself', async () => {
    let isHeld = false;
    const options: { mode: 'manual'; eventLog?: EventLog } = { mode: 'manual' };
    till = await AgentTill.start(options);
    const kept = till.app.serialize();
    sell('sent');
    const flushed = till.agent.flush({ timeoutMs: 60_000 }).catch(() => undefined);
    await till.until('the first sale is published', async () => (await till.published()).length === 1);
    sell('kept back');
    await till.until('the second one is cut', () => open() === 2);
    const before = incarnation();
    const caughtUp = till.agent.catchUp({ lsn: '0/100', timeoutMs: 60_000 }).catch(() => undefined);
    await tell(0x100, before, 9, { lastUnit: 9, chainHash: Buffer.alloc(32, 7) });
    await till.until('it announces itself', async () => (await announcements()).length === 1);
    const [announced] = await announcements();
    await putBack(kept);
    await tell(0x200, announced?.incarnation ?? '', 0, { lastUnit: 0, chainHash: Buffer.alloc(32) });
    // What the centre has answered is read before anything is sent.
    isHeld = true;
    options.eventLog = wrappedLog(till.log, {
      offsets: async (stream) => {
        await until(() => !isHeld || !stream.topic.endsWith('.up'), 'the publisher may begin');
        return till.log.offsets(stream);
      },
    });
    till.run();
    const { apply } = till.agent;
    await till.until('the answer is read', () => apply.progress?.incarnation === announced?.incarnation);
    isHeld = false;
    await till.until('the sale goes up', async () => (await numbersSent()).includes('kept back'));
    const records = await till.records();
    const last = records.findLast(({ units }) => units.some(({ changes }) => changes.length > 0));
    expect(last?.incarnation).toBe(before);
    await till.until('the file goes on', () => till.agent.status().state !== 'announced');
    await Promise.all([flushed, caughtUp]);
  });

  it('go one by one where the topic takes no append of all of them', async () => {
    const options: { mode: 'manual'; eventLog?: EventLog } = { mode: 'manual' };
    till = await AgentTill.start(options);
    const kept = till.app.serialize();
    for (const [at, number] of ['a', 'b', 'c'].entries()) {
      sell(number.repeat(150_000));
      await till.until('it is cut', () => open() === at + 1);
    }
    await putBack(kept);
    options.eventLog = wrappedLog(till.log, {
      append: (stream, records, more) => {
        const bytes = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
        if (bytes > 200_000) throw new PayflowError('LOG_RECORD_TOO_LARGE', 'larger than the topic takes');
        return till.log.append(stream, records, more);
      },
    });
    till.run();
    await till.until('the file is announced', async () => (await announcements()).length === 1);
    expect((await numbersSent()).map((number) => String(number)[0])).toEqual(['a', 'b', 'c']);
  });
});
