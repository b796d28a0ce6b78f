import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../../scripts/support/postgres.ts';
import { assertNoneDoubled } from '../invariants.ts';
import { World } from '../world.ts';
import { dbaCommands, type DbaCommand } from './commands.ts';
import { DbaPlay } from './dba-play.ts';
import { DBA_SHOP } from './shop.ts';

const RUNS = Number(process.env['AGREEMENT_RUNS'] ?? 5);
const SEED = Number(process.env['AGREEMENT_SEED'] ?? 20_261_126);

let server: RunningPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => {
  await server.stop();
});

async function playAll(world: World, list: readonly DbaCommand[]): Promise<void> {
  const play = new DbaPlay(world);
  const done: DbaCommand[] = [];
  try {
    for (const command of list) {
      done.push(command);
      await play.run(command);
      for (const till of world.tills) assertNoneDoubled(till);
    }
    await play.rest();
    for (const till of world.tills) assertNoneDoubled(till);
  } catch (error) {
    const steps = done.map((command) => Object.values(command).join(' ')).join('\n');
    throw new Error(`${error instanceof Error ? error.message : String(error)}\nafter\n${steps}`, {
      cause: error,
    });
  } finally {
    await play.release();
  }
}

test(
  'whatever a DBA does to partitions, tables, columns, publication and slot, while tills and head office work: in the end both sides are equal, and each sale is there once',
  { timeout: 3_600_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(dbaCommands, async (list) => {
        const world = await World.open(DBA_SHOP, server.adminUrl);
        try {
          await playAll(world, list);
        } finally {
          await world.close();
        }
      }),
      { numRuns: RUNS, seed: SEED, endOnFailure: true, path: process.env['AGREEMENT_PATH'] ?? '' },
    );
  },
);
