/** A till that is not the one the centre knows: nothing of it is settled or sent, until it goes on under a new name. */
import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import {
  isAnnouncement,
  namesPredecessor,
  type UnitRecord,
} from '../../../services/shared/records/unit-record.ts';
import { HealthBoard } from '../../../services/shared/health.ts';
import { AgentTill } from '../../support/agent-till.ts';
import { positionAt } from '../../support/down-stream.ts';

let till: AgentTill;
afterEach(() => till.close());

const sell = (number: string) =>
  till.app.exec(`INSERT INTO orders (number, total) VALUES ('${number}', 5.25)`);
const incarnation = () => till.agent.till.incarnation;
const open = () => till.agent.apply.unsettled().length;
const isFenced = () => till.agent.status().state === 'fenced';
const announcements = async () => (await till.records()).filter(isAnnouncement);

async function soldAndPublished(options: Parameters<typeof AgentTill.start>[0] = {}): Promise<UnitRecord> {
  till = await AgentTill.start(options);
  sell('n1');
  await till.until('the sale is published', async () => (await till.published()).length === 1);
  const [record] = await till.records();
  if (record === undefined) throw new Error('one record');
  return record;
}

const tell = (
  lsn: number,
  name: string,
  lastSeq: number,
  options: Parameters<AgentTill['store']['progress']>[3],
) => till.toStore(till.store.commit(lsn, till.store.progress('T1', name, lastSeq, options)));

describe('a till that is fenced', () => {
  it('settles nothing by a copy’s unit that has the number of its own', async () => {
    const board = new HealthBoard();
    await soldAndPublished({ health: board });
    const before = incarnation();
    await tell(0x100, before, 1, { chainHash: Buffer.alloc(32, 7) });
    await till.until('the till has a new name', () => incarnation() !== before);
    expect(open()).toBe(1);
    expect(board.report()).toContainEqual(
      expect.objectContaining({ name: 'standing', state: 'unready', code: 'TERMINAL_ANNOUNCED' }),
    );
    expect(till.agent.status()).toMatchObject({
      state: 'announced',
      why: expect.stringContaining('another unit 1') as string,
    });
    await till.until('it announces itself', async () => (await announcements()).length === 1);
    const [announced] = await announcements();
    expect(announced?.incarnation).toBe(incarnation());
    expect(announced !== undefined && namesPredecessor(announced, before)).toBe(true);
  });

  it('settles nothing by a copy’s unit, also where it has settled by its own before', async () => {
    const record = await soldAndPublished();
    const before = incarnation();
    await tell(0x100, before, 1, { chainHash: record.units[0]?.hash, catalog: positionAt(0x0f0) });
    await till.toCatalog(till.catalog.commit(0x100, till.catalog.heartbeat()));
    await till.until('the first sale is settled', () => open() === 0);
    sell('n2');
    await till.until('the second is published', async () => (await till.published()).length === 2);
    await tell(0x110, before, 2, {
      lastUnit: 2,
      chainHash: Buffer.alloc(32, 7),
      catalog: positionAt(0x0f0),
      fenced: 'a copy was seen',
    });
    await till.until('the till has a new name', () => incarnation() !== before);
    expect(open()).toBe(1);
    expect(till.agent.status().why).toContain('another unit 2');
  });

  it('refuses flush and bootstrap at once, and neither cuts nor publishes; its app sells on', async () => {
    const record = await soldAndPublished();
    await tell(0x100, incarnation(), 1, { chainHash: record.units[0]?.hash, fenced: 'a copy was seen' });
    await till.until('it is fenced', isFenced);
    sell('n2');
    const before = (await till.published()).length;
    await expect(till.agent.flush({ timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'TERMINAL_FENCED' });
    await expect(till.agent.bootstrap({ dryRun: false })).rejects.toMatchObject({ code: 'TERMINAL_FENCED' });
    expect((await till.published()).length).toBe(before);
  });

  it('goes on with what is not settled, and never again with what is', async () => {
    const record = await soldAndPublished();
    const chainHash = record.units[0]?.hash;
    await tell(0x100, incarnation(), 1, { chainHash });
    await till.until('the first sale is settled', () => open() === 0);
    sell('n2');
    await till.until('the second is published', async () => (await till.published()).length === 2);
    await tell(0x110, incarnation(), 1, { chainHash, fenced: 'a copy was seen' });
    await till.until('it is fenced', isFenced);
    sell('n3');
    await till.stopAgent();
    till.run();
    expect(isFenced()).toBe(true);
    await tell(0x120, incarnation(), 0, { lastUnit: 0, chainHash: Buffer.alloc(32) });
    await till.until('it goes on', () => !isFenced());
    await till.until('both sales go up', async () => (await till.published()).length === 4);
    const sent = (await till.records()).filter(
      (each) => each.incarnation === incarnation() && !isAnnouncement(each),
    );
    expect(
      sent.flatMap(({ units }) => units.flatMap(({ changes }) => changes.map(({ seq }) => seq))),
    ).toEqual([2, 3]);
    expect(sent[0]?.units[0]?.number).toBe(1);
  });

  it('is superseded where another file goes on, and says so', async () => {
    await soldAndPublished();
    await tell(0x100, incarnation(), 0, { lastUnit: 0, chainHash: Buffer.alloc(32) });
    await tell(0x110, 'another', 4, { lastUnit: 2 });
    await till.until('it is fenced', isFenced);
    expect(till.agent.status().why).toContain('another file of this till goes on, as another');
    expect(open()).toBe(1);
  });
});

describe('a till whose file was put back while its network was away', () => {
  it('sends what only its agent file has under the name of then, announces itself, and goes on once it has read', async () => {
    till = await AgentTill.start({ mode: 'manual' });
    const kept = till.app.serialize();
    sell('lost');
    await till.until('the sale is cut', () => open() === 1);
    const before = incarnation();
    expect(await till.published()).toEqual([]);
    await till.stopAgent();
    till.app.close();
    for (const part of ['-wal', '-shm']) rmSync(till.file + part, { force: true });
    writeFileSync(till.file, kept);
    till.restartApp();
    sell('sold since');
    till.run();
    await till.until('it announces itself', async () => (await announcements()).length === 1);
    const [survivor, announced] = await till.records();
    expect(survivor?.incarnation).toBe(before);
    expect(survivor?.units[0]?.changes[0]?.columns).toContainEqual(
      expect.objectContaining({ name: 'number', new: 'lost' }),
    );
    expect(announced?.incarnation).toBe(incarnation());
    expect(announced !== undefined && namesPredecessor(announced, before)).toBe(true);
    expect(till.agent.status().state).toBe('announced');
    await expect(till.agent.flush({ timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'TERMINAL_ANNOUNCED',
    });
    await tell(0x200, incarnation(), 0, { lastUnit: 0, chainHash: Buffer.alloc(32) });
    await till.until('it goes on', () => till.agent.status().state === 'ready');
    await till.until('the sale since is cut', () => open() === 1);
    const flushed = till.agent.flush({ timeoutMs: 60_000 });
    await till.until('it goes up', async () => (await till.published()).length === 2);
    const { number, firstSeq } = (await till.records()).at(-1)?.units[0] ?? {};
    expect([number, firstSeq]).toEqual([1, 1]);
    await tell(0x210, incarnation(), 1, {
      lastUnit: 1,
      chainHash: (await till.records()).at(-1)?.units[0]?.hash,
    });
    expect(await flushed).toMatchObject({ applied: 1 });
  });
});
