/** What a till waits for at the centre, for people. Pure. */
import type { TerminalWait } from '../gateway/terminal-list.ts';
import { ERROR_CODES } from '../shared/error-codes.ts';

/** One line: the code, since when, what PostgreSQL refuses where, and what to do. */
export function waitLine(terminalId: string, wait: TerminalWait): string {
  const { code, sqlState, table, constraint, since } = wait;
  const where = table === null ? '' : ` at ${table}`;
  const by = constraint === null ? '' : ` (${constraint})`;
  const cause = sqlState === null ? '' : `: ${sqlState}${where}${by}`;
  return `[${code}] ${terminalId} waits since ${since}${cause}. ${ERROR_CODES[code].remedy}`;
}
