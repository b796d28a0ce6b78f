/**
 * Whatever happens to a till's files, in whatever order: nothing that was sold is applied twice, and nothing that
 * reached the centre, or lies in the file that goes on, is lost.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { World } from './model.ts';
import { TillFile } from './till-model.ts';

type Kept = ReturnType<TillFile['snapshot']>;

/** One step of the play, chosen by two numbers. */
function play(world: World, kept: Kept[], [what, which]: readonly [number, number]): void {
  const file = world.files[which % world.files.length];
  if (file === undefined) return;
  const saved = kept[which % Math.max(1, kept.length)];
  const steps: readonly (() => void)[] = [
    () => file.sell('row'),
    () => file.sell('row'),
    () => file.sell('stock'),
    () => file.cut(),
    () => file.cut(),
    () => file.publish(),
    () => file.publish(),
    () => world.consume(),
    () => world.consume(),
    () => world.consume(),
    () => file.read(),
    () => file.read(),
    () => file.read(),
    () => file.readRow(),
    () => file.readRow(),
    () => world.carryOut(),
    () => file.publishAgain(),
    () => world.consume(which),
    () => file.start(),
    () => void kept.push(file.snapshot()),
    () => file.loseAgentFile(),
    () => saved !== undefined && file.restore(saved),
    () => saved !== undefined && file.restore({ till: saved.till }),
    () => saved !== undefined && clone(world, saved),
    () => void world.unfence(world.incarnations[which % Math.max(1, world.incarnations.length)] ?? ''),
  ];
  steps[what % steps.length]?.();
}

function clone(world: World, kept: Kept): void {
  if (world.files.length >= 3) return;
  const copy = new TillFile(world, `copy${world.files.length}`);
  copy.restore(kept);
  world.files.push(copy);
}

/** The operator lets one file go on, as often as it takes; the others are switched off. */
function settle(world: World, file: TillFile): void {
  for (let round = 0; round < 200; round += 1) {
    file.cut();
    file.publishAgain();
    while (!world.drained) world.consume();
    for (let n = 0; n <= world.rows.length; n += 1) file.readRow();
    for (let n = 0; n <= world.told.length; n += 1) file.read();
    for (let n = 0; n <= world.held.length; n += 1) world.carryOut();
    const told = world.newestProgress;
    const mine = told === undefined || told.incarnation === file.agent.incarnation;
    if (file.standing.kind === 'ok' && mine && !world.isFenced) {
      if (file.till.entries.every(({ settled }) => settled)) return;
    } else if (world.drained) world.unfence(file.agent.incarnation);
  }
  throw new Error(`the file does not settle: ${JSON.stringify(file.standing)}`);
}

const steps = fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { maxLength: 120, size: 'max' });

test('a play of files and centre loses and doubles nothing', () => {
  fc.assert(
    fc.property(steps, fc.nat(2), (chosen, survivor) => {
      const world = new World();
      world.files.push(new TillFile(world, 'original'));
      const kept: Kept[] = [];
      for (const step of chosen) play(world, kept, step);
      for (const count of world.applied.values()) expect(count).toBe(1);
      const reached = new Set(
        world.log.flatMap(({ units }) =>
          units.flatMap(({ changes }) => changes.map((change) => world.saleOf(change))),
        ),
      );
      const file = world.files[survivor % world.files.length] as TillFile;
      // Cut before the file was put back, and in the agent file only.
      for (const { changes } of file.agent.units) for (const each of changes) reached.add(world.saleOf(each));
      settle(world, file);
      for (const [sale, count] of world.applied) expect([sale, count]).toEqual([sale, 1]);
      const inLetters = world.letters.flatMap(({ changes }) => changes.map((change) => world.saleOf(change)));
      const inHeld = world.held.flatMap(({ record }) =>
        record.units.flatMap(({ changes }) => changes.map((change) => world.saleOf(change))),
      );
      const kept2 = new Set([...world.applied.keys(), ...inLetters, ...inHeld]);
      for (const sale of reached) expect(kept2).toContain(sale);
      for (const { sale } of file.till.entries) expect([sale, world.applied.get(sale)]).toEqual([sale, 1]);
      for (const sale of inLetters) expect(world.applied.has(sale)).toBe(false);
      for (const each of world.files) expect(each.wrongRows()).toEqual([]);
    }),
    { numRuns: 150 },
  );
});
