/** What is asked of central-apply through the gateway, and waited for; and the filters that such commands share. */
import type { Command } from 'commander';
import type { OperationView } from '../gateway/operations.ts';
import { isErrorCode } from '../shared/agent-protocol.ts';
import { PayflowError } from '../shared/errors.ts';
import type { LetterFilter, Mend } from '../shared/operations.ts';
import type { Cli } from './cli.ts';
import type { GatewayClient } from './gateway-client.ts';

const LOOK_MS = 2_000;

export interface WaitOption {
  readonly timeout: string;
}

export function withTimeout(command: Command): Command {
  return command.option('--timeout <seconds>', 'how long to wait for the result', '60');
}

/** @throws PayflowError what the operation failed with, or SYNC_TIMEOUT: it goes on by itself */
export async function askAndWait(
  cli: Cli,
  client: GatewayClient,
  { path, body, timeout }: { readonly path: string; readonly body: unknown; readonly timeout: string },
): Promise<OperationView> {
  const deadline = Date.now() + secondsToMs(timeout);
  let view = await client.post<OperationView>(`${path}?waitMs=${LOOK_MS}`, body);
  while (view.state === 'waiting') {
    const { operationId } = view;
    if (Date.now() >= deadline) {
      const message = `operation ${operationId} is not finished after ${timeout} s; it goes on by itself`;
      throw new PayflowError('OPERATION_WAITING', message);
    }
    cli.output.note(`waiting for operation ${operationId}`);
    view = await client.get<OperationView>(`/operations/${operationId}?waitMs=${LOOK_MS}`);
  }
  if (view.error === null) return view;
  const { code, message } = view.error;
  throw new PayflowError(isErrorCode(code) ? code : 'INTERNAL', message);
}

function secondsToMs(text: string): number {
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds > 0) return seconds * 1000;
  throw new PayflowError('USAGE', `--timeout must be a number of seconds, not ${text}`);
}

export interface FilterOptions {
  readonly terminal?: string;
  readonly table?: string;
  readonly code?: string;
  readonly since?: string;
}

export interface ListOptions extends FilterOptions {
  readonly limit: string;
  readonly cursor?: string;
}

/** @param what --table names and --code means, where they are there */
export function withFilters(command: Command, { table, code }: { table?: string; code: string }): Command {
  command.option('--terminal <id>', 'of this till');
  if (table !== undefined) command.option('--table <name>', table);
  return command
    .option('--code <code>', code)
    .option('--since <time>', 'from this time on, as 2026-03-01T09:30Z');
}

export function withPages(command: Command): Command {
  return command
    .option('--limit <n>', 'how many at most', '100')
    .option('--cursor <cursor>', 'go on behind the page that printed it');
}

export function filterOf({ terminal, table, code, since }: FilterOptions): LetterFilter {
  return {
    ...(terminal === undefined ? {} : { terminalId: terminal }),
    ...(table === undefined ? {} : { table }),
    ...(code === undefined ? {} : { code }),
    ...(since === undefined ? {} : { since: sinceTime(since) }),
  };
}

function sinceTime(text: string): string {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new PayflowError('USAGE', `--since must be a time, not ${text}`);
  return new Date(ms).toISOString();
}

export function listPath(
  path: string,
  { limit, cursor, ...filter }: ListOptions & Record<string, unknown>,
): string {
  const query = new URLSearchParams({ limit });
  for (const [name, value] of Object.entries<string | undefined>(filterOf(filter))) {
    if (value !== undefined) query.set(name, value);
  }
  if (cursor !== undefined) query.set('cursor', cursor);
  return `${path}?${query.toString()}`;
}

/** `TABLE.COLUMN=VALUE`, with `@SEQ` behind the column where several changes set it; NULL is no value. */
export function parseMend(text: string): Mend {
  const [, name, seq, value] = /^([^=]+?)(?:@(\d{1,15}))?=(.*)$/s.exec(text) ?? [];
  const dot = name?.lastIndexOf('.') ?? -1;
  if (name === undefined || value === undefined || dot < 1 || dot === name.length - 1) {
    throw new PayflowError('USAGE', `--set must be TABLE.COLUMN=VALUE, not ${text}`);
  }
  return {
    table: name.slice(0, dot),
    column: name.slice(dot + 1),
    value: value === 'NULL' ? null : value,
    ...(seq === undefined ? {} : { seq: Number(seq) }),
  };
}

/** Of an option that may be given several times. */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

/** For the end of a list that has more. */
export function showCursor(cli: Cli, nextCursor: string | null): void {
  if (nextCursor !== null) cli.output.note(`there is more: --cursor ${nextCursor}`);
}
