/** What `doctor` says: one line for each thing that was looked at. */
import { ERROR_CODES, type ErrorCode } from '../../shared/error-codes.ts';
import { isErrorCode } from '../../shared/agent-protocol.ts';
import { PayflowError } from '../../shared/errors.ts';

export const AREAS = [
  'configuration',
  'database',
  'log',
  'services',
  'tables',
  'attention',
  'tills',
] as const;
export type Area = (typeof AREAS)[number];
export type Level = 'ok' | 'warning' | 'error';

export interface Finding {
  readonly area: Area;
  readonly level: Level;
  /** Of our error table; null where there is none for it. */
  readonly code: ErrorCode | null;
  readonly message: string;
  /** What to do; null where nothing is to be done. */
  readonly remedy: string | null;
}

export function ok(area: Area, message: string): Finding {
  return { area, level: 'ok', code: null, message, remedy: null };
}

export function warning(area: Area, message: string, remedy: string): Finding {
  return { area, level: 'warning', code: null, message, remedy };
}

export function error(area: Area, message: string, remedy: string): Finding {
  return { area, level: 'error', code: null, message, remedy };
}

/** With the remedy of the error table. @param code one that is not in it (of a newer service) is only shown */
export function coded(
  area: Area,
  level: Exclude<Level, 'ok'>,
  { code, message }: { readonly code: string; readonly message: string },
): Finding {
  if (!isErrorCode(code)) return { area, level, code: null, message: `${code}: ${message}`, remedy: null };
  return { area, level, code, message, remedy: ERROR_CODES[code].remedy };
}

/** Something that could be asked, or not: then why. */
export type Asked<T> =
  | { readonly kind: 'known'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: PayflowError }
  | { readonly kind: 'unasked'; readonly why: string };

export async function asked<T>(question: () => Promise<T>): Promise<Asked<T>> {
  try {
    return { kind: 'known', value: await question() };
  } catch (thrown) {
    if (thrown instanceof PayflowError) return { kind: 'failed', error: thrown };
    throw thrown;
  }
}

/** The findings of what is known; else one that says why nothing is. */
export function findingsOf<T>(
  area: Area,
  what: string,
  { answer, judge }: { readonly answer: Asked<T>; readonly judge: (value: T) => readonly Finding[] },
): readonly Finding[] {
  switch (answer.kind) {
    case 'known':
      return judge(answer.value);
    case 'failed':
      return [coded(area, 'error', { code: answer.error.code, message: `${what}: ${answer.error.message}` })];
    case 'unasked':
      return [warning(area, `${what} was not looked at: ${answer.why}`, 'Run doctor where it is known.')];
  }
}
