import type { Command } from 'commander';
import { readCentralCatalog } from '../../shared/catalog/central-catalog.ts';
import { PayflowError } from '../../shared/errors.ts';
import { assertMappingFits } from '../../shared/mapping/mapping-check.ts';
import { newOptions } from '../../shared/mapping/mapping-news.ts';
import { parseMapping } from '../../shared/mapping/mapping-parser.ts';
import { problemLine, type MappingProblem } from '../../shared/mapping/mapping-source.ts';
import { readMappingText, withDatabase } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { draftCommand } from './mapping-draft.ts';

export function mappingCommand(cli: Cli): Command {
  return cli
    .command('mapping', 'the mapping of tables and columns', [
      'mapping check',
      'mapping draft --terminal-db payflow.db',
    ])
    .addCommand(checkCommand(cli))
    .addCommand(draftCommand(cli));
}

function checkCommand(cli: Cli): Command {
  const command = cli.command(
    'check',
    'check MAPPING_FILE, and against the centre where DATABASE_URL is set; tells every mistake',
    ['mapping check', 'mapping check --json'],
  );
  return withJson(command).action(
    cli.action(async ({ json }: JsonOption) => {
      const text = readMappingText(cli.config);
      const problems = await mappingProblems(cli, text);
      const needsNewTills = problems.length === 0 ? newOptions(parseMapping(text)) : [];
      if (json === true) cli.output.json({ valid: problems.length === 0, problems, needsNewTills });
      else if (problems.length === 0) cli.output.line('the mapping is valid');
      else for (const problem of problems) cli.output.line(problemLine(problem));
      if (json !== true && needsNewTills.length > 0)
        cli.output.line(
          `upgrade every till before setup publishes it: agents of earlier versions can not read ${needsNewTills.join(', ')}`,
        );
      return problems.length === 0 ? EXIT.yes : EXIT.no;
    }),
  );
}

async function mappingProblems(cli: Cli, text: string): Promise<readonly MappingProblem[]> {
  try {
    const mapping = parseMapping(text);
    if (cli.config.databaseUrl !== undefined) {
      const names = mapping.tables.map((table) => table.central);
      const central = await withDatabase(cli, (pool) => readCentralCatalog(pool, names));
      assertMappingFits(mapping, { central });
    }
    return [];
  } catch (error) {
    if (!(error instanceof PayflowError) || error.code !== 'MAPPING_INVALID') throw error;
    return error.details['problems'] as readonly MappingProblem[];
  }
}
