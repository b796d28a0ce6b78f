import type { Command } from 'commander';
import type { LocalCatalogReply } from '../../shared/agent-protocol.ts';
import { readCentralCatalog } from '../../shared/catalog/central-catalog.ts';
import { PayflowError } from '../../shared/errors.ts';
import { readLocalCatalog, type LocalTable } from '../../shared/catalog/local-catalog.ts';
import type { ParityFinding } from '../../shared/catalog/parity-finding.ts';
import { parity } from '../../shared/catalog/parity.ts';
import { valueFindings, type SampleRow } from '../../shared/catalog/parity-values.ts';
import { bindLocal } from '../../shared/catalog/table-binding.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { mappingOfFile } from '../../terminal-agent/till/file-mapping.ts';
import { readMapping, withDatabase } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway } from '../gateway-client.ts';
import { chosenTerminals } from '../till/terminal-choice.ts';
import { sampleRows } from '../till/sample-rows.ts';
import { withTillFile } from '../till/till-file.ts';

interface ParityOptions extends JsonOption {
  readonly terminal?: string;
  readonly terminalDb?: string;
}

interface TillCatalog {
  /** Terminal id, or the file's path. */
  readonly till: string;
  readonly tables: ReadonlyMap<string, LocalTable>;
  /** Rows leave no till for this: only of a file on this machine. */
  readonly samples: ReadonlyMap<string, readonly SampleRow[]>;
}

export function parityCommand(cli: Cli): Command {
  const command = cli
    .command(
      'parity',
      'compare the tables of centre and till through the mapping; 1 if anything cannot sync',
      ['parity --terminal till-7', 'parity --terminal-db payflow.db'],
    )
    .option('--terminal <id>', 'an online till; without it all that are online')
    .option('--terminal-db <file>', 'a till file on this machine');
  return withJson(command).action(
    cli.action(async (options: ParityOptions) => {
      if (options.terminal !== undefined && options.terminalDb !== undefined) {
        throw new PayflowError('USAGE', 'either --terminal or --terminal-db');
      }
      const mapping = readMapping(cli.config);
      const names = mapping.tables.map((table) => table.central);
      const tills = await tillCatalogs(cli, mapping, options);
      const central = await withDatabase(cli, (pool) => readCentralCatalog(pool, names));
      const reports = tills.map(({ till, tables, samples }) => {
        const findings = [...parity(mapping, central, tables), ...valueFindings(mapping, central, samples)];
        // Mismatches first; the sort keeps the order otherwise.
        return { till, findings: findings.sort((a, b) => a.kind.localeCompare(b.kind)) };
      });
      if (options.json === true) cli.output.json(reports);
      else for (const { till, findings } of reports) show(cli, till, findings);
      const mismatch = reports.some(({ findings }) => findings.some(({ kind }) => kind === 'mismatch'));
      return mismatch ? EXIT.no : EXIT.yes;
    }),
  );
}

async function tillCatalogs(
  cli: Cli,
  mapping: Mapping,
  { terminal, terminalDb }: ParityOptions,
): Promise<TillCatalog[]> {
  if (terminalDb !== undefined) {
    return withTillFile(terminalDb, (db) => {
      const tables = readLocalCatalog(db);
      const here = mappingOfFile(db, mapping, cli.commandLog());
      return [{ till: terminalDb, tables, samples: sampleRows(db, bindLocal(here, tables)) }];
    });
  }
  return withGateway(cli, async (client) => {
    const catalogs: TillCatalog[] = [];
    for (const till of await chosenTerminals(client, terminal)) {
      const reply = await client.get<LocalCatalogReply>(`/terminals/${encodeURIComponent(till)}/catalog`);
      // Made by the agent's readLocalCatalog; the gateway has checked that it is a list of tables.
      const tables = reply.tables as unknown as readonly LocalTable[];
      catalogs.push({
        till,
        tables: new Map(tables.map((table) => [table.name, table])),
        samples: new Map(),
      });
    }
    return catalogs;
  });
}

function show(cli: Cli, till: string, findings: readonly ParityFinding[]): void {
  const mismatches = findings.filter(({ kind }) => kind === 'mismatch').length;
  cli.output.line(`${till}: ${mismatches} mismatches, ${findings.length - mismatches} warnings`);
  for (const { kind, code, message, remedy } of findings) {
    cli.output.line(`  ${kind} ${code}: ${message}; ${remedy}`);
  }
}
