/** What `doctor` says: one line for each thing that was looked at. */
import { ERROR_CODES, type ErrorCode } from '../../shared/error-codes.ts';
import { isErrorCode } from '../../shared/agent-protocol.ts';
import { asPayflowError, type PayflowError } from '../../shared/errors.ts';

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
  | { readonly kind: 'unasked'; readonly why: string; readonly remedy?: string | undefined };

/** Whatever goes wrong is a finding: one look that fails leaves the others standing. */
export async function asked<T>(question: () => Promise<T>): Promise<Asked<T>> {
  try {
    return { kind: 'known', value: await question() };
  } catch (thrown) {
    return { kind: 'failed', error: asPayflowError(thrown) };
  }
}

/** What was known before, where `look` reached it; else it is said once, and not asked again. */
export function reachedBy<T>(before: Asked<T>, look: Asked<unknown>, what: string): Asked<T> {
  if (look.kind !== 'failed' || !AWAY.has(look.error.code)) return before;
  return { kind: 'unasked', why: `${what} does not answer, as said above`, remedy: 'Mend that first.' };
}

const AWAY: ReadonlySet<ErrorCode> = new Set([
  'DB_UNREACHABLE',
  'DB_AUTH',
  'LOG_UNREACHABLE',
  'LOG_AUTH',
  'GATEWAY_UNREACHABLE',
]);

/** @throws PayflowError what `late` gives, where there is no answer in time; what was asked is waited for no more */
export async function inTime<T>(
  question: () => Promise<T>,
  { timeoutMs, late }: { readonly timeoutMs: number; readonly late: () => PayflowError },
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const answer = question();
  // Rejected after the time, it would end the process.
  answer.catch(() => undefined);
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(late());
    }, timeoutMs);
  });
  try {
    return await Promise.race([answer, tooLate]);
  } finally {
    clearTimeout(timer);
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
      return [
        warning(
          area,
          `${what} was not looked at: ${answer.why}`,
          answer.remedy ?? 'Run doctor where it is known.',
        ),
      ];
  }
}
