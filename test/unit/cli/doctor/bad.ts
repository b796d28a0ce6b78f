import { expect } from 'vitest';
import type { Finding } from '../../../../services/cli/doctor/finding.ts';

export const GB = 1024 ** 3;
export const DAY_MS = 86_400_000;
export const NOW_MS = Date.UTC(2026, 10, 27);

export function ago(ms: number): string {
  return new Date(NOW_MS - ms).toISOString();
}

/** Level and message of what is not well; that there is something to do about each is looked at with it. */
export function bad(findings: readonly Finding[]): string[] {
  const found = findings.filter(({ level }) => level !== 'ok');
  for (const { message, remedy } of found) expect({ message, remedy }).not.toMatchObject({ remedy: null });
  return found.map(({ level, code, message }) => `${level} ${code === null ? '' : `${code} `}${message}`);
}
