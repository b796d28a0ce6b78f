/**
 * One till whose files are kept, put back, cloned and lost at any moment, with agents that die between any two of their commits:
 * no sale is at the centre twice, none is lost that reached the log, lies in the file that goes on or in an agent file that
 * is still there, and in the end both sides are equal.
 *
 *   payflow.db, to the agent file          | the centre of its name          | then
 *   ---------------------------------------+---------------------------------+---------------------------------------------
 *   holds what was cut, under its name     | counts no more than its units   | goes on as it is
 *   the same                               | counts units that it never made,| another name, announced; its unsettled units
 *                                          |   or others; another name       |   go up again, and are known by their entries
 *   lacks what was cut (older, other), or  | whatever                        | what the agent file still has goes up first,
 *     was used under any other name        |                                 |   then another name; its entries are cut anew
 *   the same, and the agent file waits     | whatever                        | the name stays; what is cut anew is of the file
 *                                          |                                 |   that is there when the centre has answered
 *   any, beside an agent file that is new  | whatever                        | another name; its entries are cut anew
 *   any of these, and the one before is    | the name before is current, and | goes on by itself
 *     silent                               |   no other file waits           |
 *   any of these, and another one lives or | anything else                   | waits for an operator, and so does the other
 *     has gone on from the one before      |                                 |
 *
 * Each of them with nothing, something cut, or something sent unsettled, found by an agent that runs or at its start.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../../scripts/support/postgres.ts';
import { World } from '../world.ts';
import { anyFiles, oneFile, type RestoreCommand } from './commands.ts';
import { assertNothingLost, settle } from './verdict.ts';
import { FOUND } from './found.ts';
import { Machine } from './machine.ts';
import { MARKED_SHOP } from './schema.ts';
import { RestorePlay } from './play.ts';

const RUNS = Number(process.env['RESTORE_RUNS'] ?? 10);
const SEED = Number(process.env['RESTORE_SEED'] ?? 20_261_127);

let server: RunningPostgres;

beforeAll(async () => {
  server = await startPostgres();
});

afterAll(() => server.stop());

/** @param mostDecided how often an operator may have to decide */
async function playAll(
  list: readonly RestoreCommand[],
  { survivor, mostDecided }: { readonly survivor: number; readonly mostDecided: number },
): Promise<void> {
  const world = await World.open(MARKED_SHOP, server.adminUrl);
  const done: RestoreCommand[] = [];
  try {
    await world.settle();
    const [first] = world.tills;
    if (first === undefined) throw new Error('no till');
    first.close();
    const play = new RestorePlay(world, await Machine.open({ ...first.setup, localSchema: '' }));
    for (const command of list) {
      done.push(command);
      await play.run(command);
    }
    const decided = await settle(play, play.machines[survivor % play.machines.length] as Machine);
    await assertNothingLost(play);
    expect(decided).toBeLessThanOrEqual(mostDecided);
  } catch (error) {
    const steps = done.map((command) => Object.values(command).join(' ')).join('\n');
    throw new Error(`${error instanceof Error ? (error.stack ?? '') : String(error)}\nafter\n${steps}`, {
      cause: error,
    });
  } finally {
    await world.close();
  }
}

test.each(FOUND)('found before: $what', async ({ list, mostDecided }) => {
  await playAll(list, { survivor: 0, mostDecided });
});

const options = {
  numRuns: RUNS,
  seed: SEED,
  endOnFailure: process.env['RESTORE_SHRINK'] === undefined,
  path: process.env['RESTORE_PATH'] ?? '',
};

test(
  'a till whose payflow.db is put back goes on by itself, and loses and doubles nothing',
  { timeout: 900_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(oneFile, async (list) => {
        await playAll(list, { survivor: 0, mostDecided: 0 });
      }),
      options,
    );
  },
);

test('whatever becomes of the files of a till loses and doubles nothing', { timeout: 900_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(anyFiles, fc.nat(2), async (list, survivor) => {
      await playAll(list, { survivor, mostDecided: Infinity });
    }),
    options,
  );
});
