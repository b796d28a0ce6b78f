/** A till that was enrolled again, perhaps for another store: what it sold before was sold where it stood then. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { FirstImages } from '../../../services/terminal-agent/file/first-images.ts';
import { goOn as goOnWith } from '../../../services/terminal-agent/settle/unsettled-units.ts';
import { sell, useTillPull, type TillPull } from '../../support/till-pull.ts';

const till = useTillPull();
/** The centre has said that the file goes on. */
const goOn = (t: TillPull) => void goOnWith(t.till, t.agentFile);

const labels = async (t: TillPull) =>
  (await t.units()).map(({ firstSeq, registration }) => [firstSeq, registration]);

describe('the registration of a unit', () => {
  it('is that under which it was cut, and stays that when it is published again', async () => {
    const t = await till();
    t.capture.beginRegistration(1);
    sell(t, 1);
    await t.pull();
    sell(t, 2);
    t.capture.cutAll();
    t.capture.beginRegistration(2);
    sell(t, 3);
    await t.pull();
    t.publisher.republishAll();
    await t.pull();
    const once = [
      [1, 1],
      [6, 1],
      [11, 2],
    ];
    expect(await labels(t)).toEqual([...once, ...once]);
  });

  it('of sales that nobody has cut yet is the old one', async () => {
    const t = await till();
    t.capture.beginRegistration(1);
    sell(t, 1);
    t.restart();
    t.capture.beginRegistration(2);
    sell(t, 2);
    await t.pull();
    expect(await labels(t)).toEqual([
      [1, 1],
      [6, 2],
    ]);
  });

  it('is the old one still where the agent died between cutting and noting the new one', async () => {
    const t = await till();
    t.capture.beginRegistration(1);
    sell(t, 1);
    // What beginRegistration does first, and then the power is cut.
    t.capture.cutAll();
    sell(t, 2);
    t.restart();
    t.capture.beginRegistration(2);
    sell(t, 3);
    await t.pull();
    expect(await labels(t)).toEqual([
      [1, 1],
      [6, 1],
      [11, 2],
    ]);
  });

  it('is that under which it was sold also where all is cut anew after a hand-over, whatever was lost', async () => {
    const t = await till();
    t.capture.beginRegistration(1);
    sell(t, 1);
    await t.pull();
    t.capture.beginRegistration(2);
    sell(t, 2);
    await t.pull();
    goOn(t);
    await t.pull();
    t.loseAgentFile();
    goOn(t);
    t.capture.beginRegistration(3);
    sell(t, 3);
    await t.pull();
    const once = [
      [1, 1],
      [6, 2],
    ];
    expect(await labels(t)).toEqual([...once, ...once, ...once, [11, 3]]);
  });

  it('is that under which it was sold also where it waited, uncut, for rows that it refers to', async () => {
    const t = await till();
    t.capture.beginRegistration(1);
    sell(t, 1);
    const awaited = vi.spyOn(FirstImages.prototype, 'areAwaited').mockReturnValue(true);
    onTestFinished(() => awaited.mockRestore());
    t.capture.beginRegistration(2);
    sell(t, 2);
    awaited.mockRestore();
    await t.pull();
    expect(await labels(t)).toEqual([
      [1, 1],
      [6, 2],
    ]);
  });

  it('is the new one for what was sold into a payflow.db that was restored from before the move', async () => {
    const t = await till();
    t.capture.beginRegistration(1);
    sell(t, 1);
    await t.pull();
    const before = t.till.getMeta('registrations') ?? '';
    t.capture.beginRegistration(2);
    sell(t, 2);
    await t.pull();
    const sent = (await t.units()).length;
    t.till.write(() => t.till.setMeta('registrations', before));
    t.restart();
    sell(t, 3);
    t.settle(10);
    goOn(t);
    t.capture.beginRegistration(2);
    await t.pull();
    expect((await labels(t)).slice(sent)).toEqual([[11, 2]]);
  });

  it('of what is sold into a new payflow.db is not that under which another file was cut', async () => {
    const t = await till();
    t.capture.beginRegistration(1);
    sell(t, 1);
    await t.pull();
    t.capture.beginRegistration(2);
    const sent = (await t.units()).length;
    t.till.write(() => t.till.db.prepare(`DELETE FROM sync_meta WHERE name = 'registrations'`).run());
    goOn(t);
    t.restart();
    expect(t.capture.checkFile()).toBeUndefined();
    t.capture.beginRegistration(2);
    sell(t, 2);
    await t.pull();
    // What was cut before it was replaced goes up as what it was.
    expect((await labels(t)).slice(sent)).toEqual([
      [1, 1],
      [6, 2],
    ]);
  });

  it('ends a unit also behind a backlog, and one of which all is settled is passed over', async () => {
    const t = await till();
    t.capture.beginRegistration(1);
    sell(t, 1);
    await t.pull();
    t.capture.beginRegistration(2);
    sell(t, 2, 12_000);
    await t.pull();
    const sent = (await t.units()).length;
    goOn(t);
    await t.pull();
    const again = (await t.units()).slice(sent);
    expect(again[0]).toMatchObject({ firstSeq: 1, lastSeq: 5, registration: 1 });
    expect(new Set(again.slice(1).map(({ registration }) => registration))).toEqual(new Set([2]));
    expect(again.at(-1)?.lastSeq).toBe(12_006);
    t.settle(5);
    goOn(t);
    t.capture.cutAll();
    const [first] = t.agentFile.unpublished(1, 1);
    expect(first).toMatchObject({ number: 1, firstSeq: 6, registration: 2 });
  });

  it('never goes back, though an older terminal.json were put back', async () => {
    const t = await till();
    t.capture.beginRegistration(2);
    sell(t, 1);
    await t.pull();
    t.restart();
    t.capture.beginRegistration(1);
    sell(t, 2);
    await t.pull();
    expect(await labels(t)).toEqual([
      [1, 2],
      [6, 2],
    ]);
  });

  it('is the first in a file whose agent knew of none, and its last unit is known again', async () => {
    const t = await till();
    sell(t, 1);
    await t.pull();
    t.restart();
    expect(t.capture.checkFile()).toBeUndefined();
    sell(t, 2);
    t.capture.beginRegistration(2);
    sell(t, 3);
    await t.pull();
    expect(await labels(t)).toEqual([
      [1, undefined],
      [6, 1],
      [11, 2],
    ]);
    t.restart();
    expect(t.capture.checkFile()).toBeUndefined();
  });
});
