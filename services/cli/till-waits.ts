/** What a till waits for at the centre, for people. Pure. */
import type { TerminalWait } from '../gateway/terminal-list.ts';
import type { EarlierRows } from '../terminal-agent/file/earlier-rows.ts';
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

/** @returns what to do about rows from before the agent; null where none are left */
export function earlierRowsLine(
  terminalId: string,
  rows: readonly EarlierRows[] | null | undefined,
): string | null {
  if (rows === undefined || rows === null || rows.length === 0) return null;
  const total = rows.reduce((sum, each) => sum + each.rows, 0);
  const tables = rows.map((each) => `${each.table} ${each.rows}`).join(', ');
  const waiting = rows.filter(({ waits }) => waits).map(({ table }) => table);
  const until =
    waiting.length === 0 ? '' : `; until then no new row of the centre comes into ${waiting.join(', ')}`;
  return (
    `${total} rows of ${terminalId} from before it was connected have no link to the centre (${tables})${until}: ` +
    `\`payflow bootstrap --terminal ${terminalId}\``
  );
}
