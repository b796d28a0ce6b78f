/** What `payflow up` was asked for, parsed. */
import { PayflowError } from '../../shared/errors.ts';
import { isStoreId, isTerminalId } from '../../shared/identifiers.ts';

export interface TillPlan {
  readonly terminalId: string;
  readonly storeId: string;
  /** Path of its payflow.db. */
  readonly file: string;
}

/** `ID=FILE@STORE`; the file may hold `=` and `@` itself. @throws PayflowError USAGE */
export function parseTillPlan(text: string): TillPlan {
  const equals = text.indexOf('=');
  const at = text.lastIndexOf('@');
  const plan = {
    terminalId: text.slice(0, Math.max(0, equals)),
    file: text.slice(equals + 1, Math.max(0, at)),
    storeId: text.slice(at + 1),
  };
  const complete = equals > 0 && at > equals + 1;
  if (complete && isTerminalId(plan.terminalId) && isStoreId(plan.storeId)) return plan;
  throw new PayflowError('USAGE', `--terminal must be ID=FILE@STORE, not ${text}`);
}

/** @throws PayflowError USAGE when two tills have one id or one file */
export function parseTillPlans(texts: readonly string[]): TillPlan[] {
  const plans = texts.map(parseTillPlan);
  for (const key of ['terminalId', 'file'] as const) {
    if (new Set(plans.map((plan) => plan[key])).size < plans.length) {
      throw new PayflowError(
        'USAGE',
        `--terminal: each till needs its own ${key === 'file' ? 'file' : 'id'}`,
      );
    }
  }
  return plans;
}
