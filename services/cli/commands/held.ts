import type { Command } from 'commander';
import type { ShownHeld } from '../../gateway/evidence-view.ts';
import type { HeldRow } from '../../gateway/waiting-records.ts';
import { listPath, showCursor, withFilters, withPages, type ListOptions } from '../asked.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway } from '../gateway-client.ts';
import { showChanges, showFacts } from '../shown-changes.ts';

export function heldCommand(cli: Cli): Command {
  return cli
    .command('held', 'records of tills that were read but wait: why, since when, for what', [
      'held list',
      'held show 12',
    ])
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli));
}

function listCommand(cli: Cli): Command {
  const command = cli.command('list', 'list them, in the order in which they came', [
    'held list',
    'held list --terminal till-7 --code gap',
  ]);
  return withJson(withPages(withFilters(command, { code: 'held for this reason' }))).action(
    cli.action(async ({ json, ...list }: ListOptions & JsonOption) =>
      withGateway(cli, async (client) => {
        const path = listPath('/held', list);
        const page = await client.get<{ held: HeldRow[]; nextCursor: string | null }>(path);
        if (json === true) cli.output.json(page);
        else {
          cli.output.table(
            ['id', 'terminal', 'unit', 'part', 'reason', 'held at', 'bytes', 'waits for'],
            page.held.map((h) => [
              h.heldId,
              h.terminalId,
              h.unit,
              h.parts === 1 ? null : `${h.part} of ${h.parts}`,
              h.reason,
              h.heldAt,
              h.sizeBytes,
              h.waitsFor,
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
  const command = cli
    .command('show', 'one of them with every change, before and after', ['held show 12'])
    .argument('<id>');
  return withJson(command).action(
    cli.action(async (id: string, { json }: JsonOption) =>
      withGateway(cli, async (client) => {
        const { changes, ...held } = await client.get<ShownHeld>(`/held/${encodeURIComponent(id)}`);
        if (json === true) cli.output.json({ ...held, changes });
        else {
          showFacts(cli.output, Object.entries(held));
          showChanges(cli.output, changes);
        }
        return EXIT.yes;
      }),
    ),
  );
}
