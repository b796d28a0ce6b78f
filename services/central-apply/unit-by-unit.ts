/**
 * When PostgreSQL refused a group, nothing says which of its rows it was. Then units are applied one by one, in
 * their order, each under a savepoint; of one that is refused, its connected parts are tried one by one; and
 * only the parts that are refused on their own become dead letters. Slow, and rare: a refused row is gone
 * from the path once its dead letter is written.
 */
import type { Outcome } from '../shared/records/change-record.ts';
import type { PayflowError } from '../shared/errors.ts';
import { postgresFacts, wrapPostgresError } from '../shared/database/postgres.ts';
import type { UnitChange } from '../shared/records/unit-record.ts';
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

/** Whether PostgreSQL refused business data: a refusal of our own tables is a defect, not a dead letter. */
export function isRefusal(error: unknown): boolean {
  const wrapped = wrapPostgresError(error);
  return wrapped.code === 'DB_REFUSED' && postgresFacts(wrapped)?.schema !== 'payflow_sync';
}

export async function applyUnitByUnit(
  session: Session,
  model: CentralModel,
  units: readonly IncomingUnit[],
): Promise<AppliedUnits> {
  const outcomes = new Map<Outcome, number>();
  const rejected = new Map<string, number[]>();
  const foreign: ForeignChange[] = [];
  for (const unit of units) {
    const applied = await new OneUnit(session, model, unit).apply();
    foreign.push(...applied.foreign);
    for (const [outcome, count] of applied.outcomes) {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count);
    }
    for (const [terminal, seqs] of applied.rejected) {
      rejected.set(terminal, [...(rejected.get(terminal) ?? []), ...seqs]);
    }
  }
  return { outcomes, rejected, foreign };
}

type Attempt = { readonly applied: AppliedUnits } | { readonly refusal: PayflowError };

/** How often refused parts of a unit are gone through: its parts may be thousands, all of them hopeless. */
const MOST_ROUNDS = 5;

class OneUnit {
  readonly #session: Session;
  readonly #model: CentralModel;
  readonly #unit: IncomingUnit;

  constructor(session: Session, model: CentralModel, unit: IncomingUnit) {
    this.#session = session;
    this.#model = model;
    this.#unit = unit;
  }

  async apply(): Promise<AppliedUnits> {
    const whole = await this.#attempt(this.#unit, { order: 'table' });
    if ('applied' in whole) return whole.applied;
    const { rejected, steps } = await this.#narrow();
    // One part may make room for another, and each need an order of its own: as they went through just now.
    const rest = await this.#attempt(this.#unit, { order: steps, rejected });
    if ('applied' in rest) return rest.applied;
    // The parts go through one by one but not together; no part of the unit can be told to be innocent.
    const { refusal } = rest;
    const all = new Map(this.#unit.unit.changes.map((change) => [change, reason(refusal)]));
    return applyUnits(this.#session, this.#model, [this.#unit], { order: 'table', rejected: all });
  }

  /**
   * Tries the parts on their own, keeping those that succeed while the others are tried; then undoes it all. One
   * that is refused is tried again as long as others succeed, a few times: what stands in its way may be gone by
   * then.
   */
  async #narrow(): Promise<{ rejected: Map<UnitChange, Rejection>; steps: WriteStep[] }> {
    const rejected = new Map<UnitChange, Rejection>();
    const steps: WriteStep[] = [];
    await this.#session.command('SAVEPOINT narrow');
    let waiting = partsOf(this.#model, incomingChanges(this.#model, this.#unit)).map((part) =>
      part.map(({ change }) => change),
    );
    for (let round = 0, before = Infinity; round < MOST_ROUNDS && waiting.length < before; round += 1) {
      before = waiting.length;
      const refused: UnitChange[][] = [];
      for (const changes of waiting) {
        const tried = await this.#tryPart(changes);
        if ('order' in tried) {
          steps.push({ changes, order: tried.order });
          continue;
        }
        refused.push(changes);
        for (const change of changes) rejected.set(change, reason(tried.refusal));
      }
      waiting = refused;
    }
    for (const change of steps.flatMap(({ changes }) => changes)) rejected.delete(change);
    await this.#session.command('ROLLBACK TO SAVEPOINT narrow; RELEASE SAVEPOINT narrow');
    return { rejected, steps };
  }

  async #tryPart(
    changes: readonly UnitChange[],
  ): Promise<Pick<WriteStep, 'order'> | { refusal: PayflowError }> {
    const part = { ...this.#unit, unit: { ...this.#unit.unit, changes } };
    const attempt = await this.#attempt(part, { order: 'table', probe: true });
    if ('applied' in attempt) return { order: 'table' };
    const again = await this.#attempt(part, { order: 'original', probe: true });
    return 'applied' in again ? { order: 'original' } : attempt;
  }

  async #attempt(unit: IncomingUnit, options: ApplyOptions): Promise<Attempt> {
    await this.#session.command('SAVEPOINT attempt; SET CONSTRAINTS ALL DEFERRED');
    try {
      const applied = await applyUnits(this.#session, this.#model, [unit], options);
      // What is checked only at the end is checked here, while it can still be told whose fault it is.
      await this.#session.command('SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT attempt');
      return { applied };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await this.#session.command('ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt');
      return { refusal: wrapPostgresError(error) };
    }
  }
}

function reason(refusal: PayflowError): Rejection {
  const facts = postgresFacts(refusal);
  const { sqlState } = refusal.details;
  const code = facts?.sqlState ?? (typeof sqlState === 'string' ? sqlState : refusal.code);
  return { code, constraint: facts?.constraint ?? null, message: refusal.message };
}
