/** The table of what can be asked of central-apply. */
import type { OperationKind } from '../../shared/operations.ts';
import { discardLetters } from './discard-letters.ts';
import type { OperationHandler } from './operation.ts';
import { resolveConflict } from './resolve-conflict.ts';
import { retryLetters } from './retry-letters.ts';
import { skipRefused } from './skip-refused.ts';
import { digestTable, listRows, lookAtRows } from './verify/compare.ts';

export const OPERATION_KINDS: Readonly<Record<OperationKind, OperationHandler>> = {
  'dead-letter-retry': retryLetters,
  'dead-letter-discard': discardLetters,
  'refused-skip': skipRefused,
  'conflict-resolve': resolveConflict,
  'verify-digest': digestTable,
  'verify-list': listRows,
  'verify-look': lookAtRows,
};

/** undefined: a newer gateway asks for what this version can't do. */
export function handlerOf(kind: string): OperationHandler | undefined {
  return Object.hasOwn(OPERATION_KINDS, kind) ? OPERATION_KINDS[kind as OperationKind] : undefined;
}
