import fc from 'fast-check';
import { test } from 'vitest';
import { commands } from './commands.ts';
import { assertAgreement, Invariants } from './invariants.ts';
import { Play } from './play.ts';
import { World } from './world.ts';

const RUNS = Number(process.env['AGREEMENT_RUNS'] ?? 15);
const SEED = Number(process.env['AGREEMENT_SEED'] ?? 20_261_122);

test(
  'whatever is edited, delayed, doubled, restarted, compacted and read in any order: settled means equal, no row doubled, no settled column goes back, stock shows centre plus unsettled',
  { timeout: 600_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (list) => {
        const world = await World.open();
        try {
          const play = new Play(world);
          const invariants = new Invariants(world);
          for (const command of list) {
            await play.run(command);
            const till =
              command.at === 'agent' || command.at === 'till' ? world.tills[command.till] : undefined;
            if (till !== undefined) await invariants.check(till);
          }
          await world.settle();
          for (const till of world.tills) await invariants.check(till);
          await assertAgreement(world, play.truth);
        } finally {
          await world.close();
        }
      }),
      { numRuns: RUNS, seed: SEED, verbose: 1, endOnFailure: true },
    );
  },
);
