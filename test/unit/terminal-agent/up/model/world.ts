/** Two tills and head office, at random; at the end all must have the same rows, and each sale counts once. */
import type { AppFaults } from './app.ts';
import { Centre } from './centre.ts';
import { DELTA, OTHERS } from './records.ts';
import { Random } from './random.ts';
import type { Rule } from './rules.ts';
import { Till } from './till.ts';

export interface Faults extends AppFaults {
  readonly refuse?: boolean;
  /** A stream is read again from further back. */
  readonly reread?: boolean;
  readonly compact?: boolean;
  readonly park?: boolean;
  readonly triggersOff?: boolean;
  readonly loss?: boolean;
  readonly restore?: boolean;
  readonly quiet?: boolean;
}

/** @returns what went wrong; nothing when all is right */
export function play(seed: number, faults: Faults, without: Rule | null = null): string[] {
  const world = new World(seed, faults, without);
  world.run();
  return world.failures();
}

class World {
  readonly #random: Random;
  readonly #faults: Faults;
  readonly #edits = new Map<string, number>();
  readonly #centre: Centre;
  readonly #tills: ReadonlyMap<string, Till>;
  #nowMs = 0;

  constructor(seed: number, faults: Faults, without: Rule | null) {
    this.#random = new Random(seed);
    this.#faults = faults;
    this.#centre = new Centre(this.#random, this.#edits);
    const parts = { centre: this.#centre, random: this.#random, edits: this.#edits, without };
    this.#centre.refuses = faults.refuse === true;
    this.#tills = new Map(['A', 'B'].map((name) => [name, new Till(name, parts)]));
    for (const till of this.#tills.values()) till.state.parks = faults.park === true;
  }

  run(): void {
    for (let index = 0; index < 3; index += 1) this.#centre.create(this.#tick());
    const steps = 60 + this.#random.below(120);
    for (let step = 0; step < steps; step += 1) {
      const [name, till] = this.#random.pick([...this.#tills]);
      this.#step(name, till);
    }
    this.#settleDown();
  }

  #tick(): number {
    this.#nowMs += 1;
    return this.#nowMs;
  }

  #step(name: string, till: Till): void {
    const random = this.#random;
    const dice = random.below(100);
    if (dice < 34) this.#work(till);
    else if (dice < 46) till.up.cut(this.#nowMs);
    else if (dice < 54) till.up.publish();
    else if (dice < 66) this.#centre.apply(name);
    else if (dice < 74) this.#centre.work(this.#tick(), this.#faults.delete === true);
    else if (dice < 90) till.read(1 + random.below(6));
    else if (dice < 92) this.#switch(till);
    else if (dice < 93) {
      if (this.#faults.compact === true) this.#centre.compact();
    } else if (dice < 94) this.#quietRestore(name, till);
    else if (dice < 96) {
      if (this.#faults.loss === true && random.happens(0.3)) till.loseAgentFile();
    } else if (dice < 98) {
      if (this.#faults.restore === true) till.backup();
    } else if (this.#faults.restore === true && random.happens(0.5)) this.#restore(till);
  }

  /** Who a row is can't be told without triggers if its key is another's next. */
  #work(till: Till): void {
    till.work(this.#tick(), till.state.file.areTriggersOn ? this.#faults : {});
  }

  #switch(till: Till): void {
    till.up.resend();
    if (this.#faults.reread === true && this.#random.happens(0.3)) till.rewind();
    if (this.#faults.refuse === true) this.#centre.retry(this.#random);
    if (this.#faults.triggersOff !== true || till.state.isAnnouncing) return;
    if (!till.state.file.areTriggersOn) till.switchTriggers(true);
    else if (this.#random.happens(0.4)) till.switchTriggers(false);
  }

  /** All of it was settled, and what came down since is gone with the file. */
  #quietRestore(name: string, till: Till): void {
    if (this.#faults.quiet !== true || till.state.isAnnouncing) return;
    till.up.cut(this.#nowMs);
    till.backup();
    till.up.publish();
    till.up.publish();
    while (this.#centre.apply(name));
    till.read(1 + this.#random.below(30));
    till.restore();
    if (this.#random.happens(0.5)) this.#work(till);
  }

  /** What was never cut is gone with the file: here everything is. */
  #restore(till: Till): void {
    till.up.cut(this.#nowMs);
    if (till.state.uncut.length === 0) till.restore();
  }

  #settleDown(): void {
    for (const till of this.#tills.values()) till.switchTriggers(true);
    this.#centre.refuses = false;
    for (let round = 0; round < 60; round += 1) {
      // Till the centre has said no to all that it will say no to, and then what that was is mended.
      if (round >= 20 && round < 30) for (const till of this.#tills.values()) till.mend(this.#tick());
      if (round === 40) this.#centre.retryAll(this.#deleted());
      for (const [name, till] of this.#tills) {
        till.state.parks = false;
        till.up.cut(this.#nowMs);
        till.up.publish();
        till.up.resend();
        while (this.#centre.apply(name));
        till.read(1000);
      }
    }
  }

  #deleted(): Set<string> {
    return new Set([...this.#tills.values()].flatMap(({ app }) => app.deeds.deleted));
  }

  failures(): string[] {
    const failures = [...this.#centre.failures];
    for (const [name, till] of this.#tills) failures.push(...this.#differences(name, till));
    const want = new Map<number, number>();
    const own = new Set([...this.#centre.made.values()].flat());
    for (const id of this.#centre.rows.keys())
      want.set(id, (own.has(id) ? 50 : 0) + (this.#centre.ledger.get(id) ?? 0));
    for (const till of this.#tills.values()) {
      for (const { thing, amount } of till.app.deeds.sold) {
        const id = this.#idOf(thing);
        const before = id === undefined ? undefined : want.get(id);
        if (id !== undefined && before !== undefined) want.set(id, before + amount);
      }
      for (const thing of till.app.deeds.made) failures.push(...this.#insertFailures(thing, till));
    }
    for (const [id, amount] of this.#centre.refused) {
      const before = want.get(id);
      if (before !== undefined) want.set(id, before - amount);
    }
    for (const thing of this.#centre.undecided) want.delete(this.#idOf(thing) ?? 0);
    for (const [id, amount] of want) {
      const stock = this.#centre.rows.get(id)?.values.get(DELTA);
      if (stock !== String(amount)) failures.push(`stock of ${id} is ${String(stock)}, sold it is ${amount}`);
    }
    return failures;
  }

  #insertFailures(thing: string, till: Till): string[] {
    const made = this.#centre.made.get(thing) ?? [];
    if (made.length > 1) return [`${thing} was inserted ${made.length} times`];
    return made.length === 0 && !till.app.deeds.deleted.includes(thing) ? [`${thing} was lost`] : [];
  }

  #idOf(thing: string): number | undefined {
    const [, id] = /^centre (\d+)$/.exec(thing) ?? [];
    return id === undefined ? this.#centre.made.get(thing)?.[0] : Number(id);
  }

  #differences(name: string, till: Till): string[] {
    if (till.state.isAnnouncing) return [`${name} waits to be accepted`];
    const failures: string[] = [];
    if (till.state.uncut.length > 0 && !till.state.isInDoubt) failures.push(`${name} does not cut`);
    const shown = new Map([...till.state.file.kept.values()].map(({ id, key }) => [id, key]));
    for (const [id, { values }] of this.#centre.rows) {
      const row = till.state.file.rows.get(shown.get(id) ?? '');
      if (row === undefined) failures.push(`${id} is missing on ${name}`);
      for (const column of row === undefined ? [] : [DELTA, ...OTHERS]) {
        const [here, there] = [row?.get(column), values.get(column)];
        if (here !== there)
          failures.push(`${column} of ${id} is ${String(here)} on ${name}, ${String(there)} at the centre`);
      }
    }
    const [here, there] = [till.state.file.rows.size, this.#centre.rows.size];
    return here === there ? failures : [...failures, `${name} has ${here} rows, the centre ${there}`];
  }
}
