import fc from 'fast-check';
import { test } from 'vitest';
import { commands, type Command } from './commands.ts';
import { assertAgreement, Invariants } from './invariants.ts';
import { restoreNames } from './migrations.ts';
import { Play } from './play.ts';
import { World } from './world.ts';

const RUNS = Number(process.env['AGREEMENT_RUNS'] ?? 12);
const SEED = Number(process.env['AGREEMENT_SEED'] ?? 20_261_122);

async function playAll(world: World, list: readonly Command[]): Promise<void> {
  const play = new Play(world);
  const invariants = new Invariants(world);
  const done: Command[] = [];
  try {
    for (const command of list) {
      done.push(command);
      await play.run(command);
      const till = 'till' in command ? world.tills[command.till] : undefined;
      if (till !== undefined) await invariants.check(till);
    }
    await world.settle();
    for (const till of world.tills) restoreNames(till);
    await world.settle();
    for (const till of world.tills) await invariants.check(till);
    await assertAgreement(world, play.truth);
  } catch (error) {
    const steps = done.map((command) => Object.values(command).join(' ')).join('\n');
    throw new Error(`${error instanceof Error ? error.message : String(error)}\nafter\n${steps}`, {
      cause: error,
    });
  }
}

test(
  'whatever is edited, delayed, doubled, restarted, compacted and read in any order: settled means equal, no row doubled, no settled column goes back, stock shows centre plus unsettled',
  { timeout: 900_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        const world = await World.open();
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
