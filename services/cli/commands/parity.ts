import type { Command } from 'commander';
import type { LocalCatalogReply } from '../../shared/agent-protocol.ts';
import { readCentralCatalog, type CentralTable } from '../../shared/catalog/central-catalog.ts';
import { PayflowError } from '../../shared/errors.ts';
import { readLocalCatalog, type LocalTable } from '../../shared/catalog/local-catalog.ts';
import type { ParityFinding } from '../../shared/catalog/parity-finding.ts';
import { parity } from '../../shared/catalog/parity.ts';
import { sameRowFindings } from '../../shared/catalog/parity-pairs.ts';
import { withoutEchoes, withPlaces } from '../../shared/catalog/parity-places.ts';
import { valueFindings, type SampleRow } from '../../shared/catalog/parity-values.ts';
import { bindLocal } from '../../shared/catalog/table-binding.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { mappingOfFile } from '../../terminal-agent/till/file-mapping.ts';
import { readMapping, withDatabase } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway } from '../gateway-client.ts';
import { commonRows, tellingCentral, tellingLocal } from '../mapping-draft/common-rows.ts';
import type { DraftFacts } from '../mapping-draft/facts.ts';
import { readCentralRows } from '../mapping-draft/read-facts.ts';
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
      const reports = await withDatabase(cli, async (pool) => {
        const central = await readCentralCatalog(pool, names);
        const found: { till: string; findings: ParityFinding[] }[] = [];
        for (const till of tills) {
          const centralRows =
            till.samples.size === 0
              ? new Map<string, []>()
              : await readCentralRows(pool, central, till.samples);
          found.push({ till: till.till, findings: findingsOf(mapping, central, { ...till, centralRows }) });
        }
        return found;
      });
      if (options.json === true) cli.output.json(reports);
      else for (const { till, findings } of reports) show(cli, till, findings);
      const mismatch = reports.some(({ findings }) => findings.some(({ kind }) => kind === 'mismatch'));
      return mismatch ? EXIT.no : EXIT.yes;
    }),
  );
}

/** Mismatches first; the sort keeps the order otherwise. */
function findingsOf(
  mapping: Mapping,
  central: ReadonlyMap<string, CentralTable>,
  { tables, samples, centralRows }: TillCatalog & Pick<DraftFacts, 'centralRows'>,
): ParityFinding[] {
  const same = new Map(
    mapping.tables.flatMap((table) => {
      const [here, there] = [tables.get(table.local), central.get(table.central)];
      if (here === undefined || there === undefined) return [];
      const local = tellingLocal(here, samples.get(table.local) ?? []);
      return [
        [table.local, commonRows(local, tellingCentral(there, centralRows.get(there.name) ?? [])).rows],
      ];
    }),
  );
  const findings = withoutEchoes([
    ...parity(mapping, central, tables),
    ...valueFindings(mapping, central, samples),
    ...sameRowFindings(mapping, { central, local: tables }, same),
  ]);
  return withPlaces(findings, { mapping, central, local: tables, samples }).sort((a, b) =>
    a.kind.localeCompare(b.kind),
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
  const { mappingFile } = cli.config;
  for (const { kind, code, message, remedy, line, put } of findings) {
    cli.output.line(`  ${kind} ${code}: ${message}; ${remedy}`);
    if (put !== undefined) cli.output.line(`    ${mappingFile} line ${line ?? 1}: ${put}`);
  }
}
