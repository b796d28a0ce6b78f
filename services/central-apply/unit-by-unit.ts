/**
 * When PostgreSQL refused a group, nothing says which of its rows it was. Then units are applied one by one, in
 * their order, each under a savepoint; of one that is refused, its connected parts are tried one by one; and
 * each part that fails on its own is judged (refusal-ladder.ts): it becomes a dead letter, or its till waits, with
 * that unit and all its later ones. Slow, and rare: a refused row is gone from the path once its dead letter is
 * written, and a till that waits is tried in transactions of its own.
 */
import type { Outcome } from '../shared/records/change-record.ts';
import type { UnitChange } from '../shared/records/unit-record.ts';
import { asPayflowError } from '../shared/errors.ts';
import type { RefusedSeq } from './exceptions.ts';
import type { Judgement } from './evidence-of-cause.ts';
import type { NewHold } from './holds.ts';
import type { Failure } from './refusal-ladder.ts';
import {
  applyUnits,
  partsOf,
  type AppliedUnits,
  type ApplyOptions,
  type ForeignChange,
} from './rows/apply-units.ts';
import { incomingChanges } from './rows/convert.ts';
import type { IncomingUnit, Rejection } from './rows/change.ts';
import type { CentralModel } from './rows/model.ts';
import type { WriteStep } from './rows/folded-rows.ts';
import type { Session } from './rows/sql.ts';
import { failureOf } from './failure.ts';

export interface UnitByUnit {
  readonly applied: AppliedUnits;
  /** Tills that are to wait, and from which of the units on. */
  readonly stopped: ReadonlyMap<string, NewHold & { readonly from: IncomingUnit }>;
}

export interface UnitByUnitOptions {
  readonly session: Session;
  readonly model: CentralModel;
  readonly judgement: Judgement;
}

/** How many units behind one that waits are looked at, to see whether writes like it go through. */
const LOOK_BEHIND = 3;

export async function applyUnitByUnit(
  units: readonly IncomingUnit[],
  options: UnitByUnitOptions,
): Promise<UnitByUnit> {
  const outcomes = new Map<Outcome, number>();
  const rejected = new Map<string, RefusedSeq[]>();
  const foreign: ForeignChange[] = [];
  const passed = new Set<string>();
  const stopped = new Map<string, NewHold & { from: IncomingUnit }>();
  const looked = new Map<string, number>();
  for (const unit of units) {
    const { terminal } = unit;
    const one = new OneUnit(unit, options);
    if (stopped.has(terminal)) {
      const times = looked.get(terminal) ?? 0;
      looked.set(terminal, times + 1);
      if (times < LOOK_BEHIND) await one.look();
      continue;
    }
    const result = await one.apply();
    if ('hold' in result) {
      stopped.set(terminal, { ...result.hold, from: unit });
      continue;
    }
    for (const [outcome, count] of result.outcomes)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count);
    for (const [till, refused] of result.rejected)
      rejected.set(till, [...(rejected.get(till) ?? []), ...refused]);
    for (const write of result.passed) passed.add(write);
    foreign.push(...result.foreign);
  }
  return { applied: { outcomes, rejected, passed, foreign }, stopped };
}

type Attempt = { readonly applied: AppliedUnits } | { readonly failure: Failure };

/** How often refused parts of a unit are gone through: its parts may be thousands, all of them hopeless. */
const MOST_ROUNDS = 5;

class OneUnit {
  readonly #session: Session;
  readonly #model: CentralModel;
  readonly #judgement: Judgement;
  readonly #unit: IncomingUnit;

  constructor(unit: IncomingUnit, { session, model, judgement }: UnitByUnitOptions) {
    this.#session = session;
    this.#model = model;
    this.#judgement = judgement;
    this.#unit = unit;
  }

  async apply(): Promise<AppliedUnits | { readonly hold: NewHold }> {
    const whole = await this.#attempt(this.#unit, { order: 'table' });
    if ('applied' in whole) return whole.applied;
    // Where nothing that its parts do could make it a refusal, they are not gone through.
    if (!this.#judgement.mayBeRefused(this.#unit.terminal, whole.failure)) return this.#hold(whole.failure);
    const { refused, steps } = await this.#narrow();
    const rejected = new Map<UnitChange, Rejection>();
    for (const { changes, failure } of refused) {
      if ((await this.#judge(failure)) !== 'refuse') return this.#hold(failure);
      for (const change of changes) rejected.set(change, reason(failure));
    }
    // One part may make room for another, and each need an order of its own: as they went through just now.
    const rest = await this.#attempt(this.#unit, { order: steps, rejected });
    if ('applied' in rest) return rest.applied;
    // The parts go through one by one but not together; no part of the unit can be told to be innocent.
    if ((await this.#judge(rest.failure)) !== 'refuse') return this.#hold(rest.failure);
    const all = new Map(this.#unit.unit.changes.map((change) => [change, reason(rest.failure)]));
    return applyUnits(this.#session, this.#model, [this.#unit], { order: 'table', rejected: all });
  }

  /** Only to see what goes through: nothing of it stays. */
  async look(): Promise<void> {
    await this.#session.command('SAVEPOINT look');
    await this.#attempt(this.#unit, { order: 'table', probe: true });
    await this.#session.command('ROLLBACK TO SAVEPOINT look; RELEASE SAVEPOINT look');
  }

  #judge(failure: Failure) {
    return this.#judgement.verdict(this.#session, this.#unit.terminal, failure);
  }

  async #hold(failure: Failure): Promise<{ hold: NewHold }> {
    const verdict = await this.#judge(failure);
    const state = verdict === 'refuse' ? 'trying' : verdict;
    const { terminal } = this.#unit;
    return { hold: { terminal, state, failure, letters: this.#judgement.lettersFor(terminal) } };
  }

  /**
   * Tries the parts on their own, keeping those that succeed while the others are tried; then undoes it all. One
   * that is refused is tried again as long as others succeed, a few times: what stands in its way may be gone by
   * then.
   */
  async #narrow() {
    const steps: WriteStep[] = [];
    await this.#session.command('SAVEPOINT narrow');
    let waiting = partsOf(this.#model, incomingChanges(this.#model, this.#unit)).map((part) =>
      part.map(({ change }) => change),
    );
    let refused: { changes: UnitChange[]; failure: Failure }[] = [];
    for (let round = 0, before = Infinity; round < MOST_ROUNDS && waiting.length < before; round += 1) {
      before = waiting.length;
      refused = [];
      for (const changes of waiting) {
        const tried = await this.#tryPart(changes);
        if ('order' in tried) steps.push({ changes, order: tried.order });
        else refused.push({ changes, failure: tried.failure });
      }
      waiting = refused.map(({ changes }) => changes);
    }
    await this.#session.command('ROLLBACK TO SAVEPOINT narrow; RELEASE SAVEPOINT narrow');
    return { refused, steps };
  }

  async #tryPart(changes: readonly UnitChange[]): Promise<Pick<WriteStep, 'order'> | { failure: Failure }> {
    const part = { ...this.#unit, unit: { ...this.#unit.unit, changes } };
    const attempt = await this.#attempt(part, { order: 'table', probe: true });
    if ('applied' in attempt) return { order: 'table' };
    const again = await this.#attempt(part, { order: 'original', probe: true });
    return 'applied' in again ? { order: 'original' } : attempt;
  }

  /** @throws what made the session itself unusable */
  async #attempt(unit: IncomingUnit, options: ApplyOptions): Promise<Attempt> {
    await this.#session.command('SAVEPOINT attempt; SET CONSTRAINTS ALL DEFERRED');
    try {
      const applied = await applyUnits(this.#session, this.#model, [unit], options);
      // What is checked only at the end is checked here, while it can still be told whose fault it is.
      await this.#session.command('SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT attempt');
      this.#judgement.passed(applied.passed);
      return { applied };
    } catch (error) {
      await this.#session.command('ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt').catch(() => {
        throw asPayflowError(error);
      });
      return { failure: await failureOf(this.#session, this.#model, error) };
    }
  }
}

function reason({ code, constraint, message, table, kind }: Failure): Rejection {
  return { code, constraint: constraint === '' ? null : constraint, message, table, kind };
}
