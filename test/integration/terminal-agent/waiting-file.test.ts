/** A file that waits for the centre to go on with it, in a mode in which nobody asks. */
import { afterEach, expect, it } from 'vitest';
import { isAnnouncement } from '../../../services/shared/records/unit-record.ts';
import { AgentTill } from '../../support/agent-till.ts';

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
