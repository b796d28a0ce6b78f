import type { Command } from 'commander';
import type { RefusedRow } from '../../gateway/waiting-records.ts';
import type { SkipResult } from '../../shared/operations.ts';
import {
  askAndWait,
  listPath,
  showCursor,
  withFilters,
  withPages,
  withTimeout,
  type ListOptions,
  type WaitOption,
} from '../asked.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway } from '../gateway-client.ts';
import { showFacts } from '../shown-changes.ts';

export function refusedCommand(cli: Cli): Command {
  return cli
    .command('refused', 'records of tills that could not be read or believed, and were passed over', [
      'refused list',
      'refused show payflow.up-3-1042',
      'refused skip payflow.up-3-1042 --why "a damaged disk; sold again"',
    ])
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(skipCommand(cli));
}

function listCommand(cli: Cli): Command {
  const command = cli.command('list', 'list them, newest first', [
    'refused list',
    'refused list --terminal till-7 --code SIGNATURE_INVALID',
  ]);
  return withJson(withPages(withFilters(command, { code: 'refused with this code' }))).action(
    cli.action(async ({ json, ...list }: ListOptions & JsonOption) =>
      withGateway(cli, async (client) => {
        const path = listPath('/refused', list);
        const page = await client.get<{ refused: RefusedRow[]; nextCursor: string | null }>(path);
        if (json === true) cli.output.json(page);
        else {
          cli.output.table(
            ['id', 'terminal', 'code', 'bytes', 'refused at', 'skipped by', 'message'],
            page.refused.map((r) => [
              r.refusedId,
              r.terminalId,
              r.code,
              r.sizeBytes,
              r.refusedAt,
              r.skippedBy,
              r.message,
            ]),
          );
          showCursor(cli, page.nextCursor);
        }
        return EXIT.yes;
      }),
    ),
  );
}

function showCommand(cli: Cli): Command {
  const command = cli.command('show', 'one of them', ['refused show payflow.up-3-1042']).argument('<id>');
  return withJson(command).action(
    cli.action(async (id: string, { json }: JsonOption) =>
      withGateway(cli, async (client) => {
        const record = await client.get<RefusedRow>(`/refused/${encodeURIComponent(id)}`);
        if (json === true) cli.output.json(record);
        else showFacts(cli.output, Object.entries(record));
        return EXIT.yes;
      }),
    ),
  );
}

function skipCommand(cli: Cli): Command {
  const command = cli
    .command('skip', 'let the chain of its till go on behind the gap that it left', [
      'refused skip payflow.up-3-1042 --why "a damaged disk; sold again"',
    ])
    .argument('<id>')
    .requiredOption('--why <text>', 'kept with it');
  return withJson(withTimeout(command)).action(
    cli.action(async (id: string, { json, why, timeout }: WaitOption & JsonOption & { why: string }) =>
      withGateway(cli, async (client) => {
        const path = `/refused/${encodeURIComponent(id)}/skip`;
        const view = await askAndWait(cli, client, { path, body: { why }, timeout });
        const result = view.result as SkipResult;
        if (json === true) cli.output.json(result);
        else cli.output.line(skippedText(result));
        return EXIT.yes;
      }),
    ),
  );
}

function skippedText({ refusedId, terminalId, skipped }: SkipResult): string {
  if (skipped === null) return `${refusedId} is noted as skipped; it left no gap`;
  return `${terminalId} goes on behind seq ${skipped.lastSeq}; ${skipped.firstSeq} to ${skipped.lastSeq} are given up`;
}
