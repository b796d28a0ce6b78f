/** What a till waits for at the centre, for people. Pure. */
import type { TerminalWait } from '../gateway/terminal-list.ts';
import { ERROR_CODES } from '../shared/error-codes.ts';

/** One line: the code, what is waited for, and what to do. */
export function waitLine(terminalId: string, wait: TerminalWait): string {
  return `[${wait.code}] ${waitText(terminalId, wait)}. ${ERROR_CODES[wait.code].remedy}`;
}

/** Since when, and what PostgreSQL refuses where. */
export function waitText(
  terminalId: string,
  { sqlState, table, constraint, since }: Omit<TerminalWait, 'code'>,
): string {
  const where = table === null ? '' : ` at ${table}`;
  const by = constraint === null ? '' : ` (${constraint})`;
  const cause = sqlState === null ? '' : `: ${sqlState}${where}${by}`;
  return `${terminalId} waits since ${since}${cause}`;
}
