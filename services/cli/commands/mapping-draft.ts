import { existsSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { PayflowError } from '../../shared/errors.ts';
import { assertMappingFits } from '../../shared/mapping/mapping-check.ts';
import { parseMapping } from '../../shared/mapping/mapping-parser.ts';
import { problemLine, type MappingProblem } from '../../shared/mapping/mapping-source.ts';
import { withDatabase } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { draftMapping } from '../mapping-draft/draft.ts';
import { draftText, guessesIn } from '../mapping-draft/draft-yaml.ts';
import type { DraftFacts } from '../mapping-draft/facts.ts';
import { readCentreFacts, readTillFacts } from '../mapping-draft/read-facts.ts';
import { withTillFile } from '../till/till-file.ts';

interface DraftOptions extends JsonOption {
  readonly terminalDb?: string;
  readonly output?: string;
}

export function draftCommand(cli: Cli): Command {
  const command = cli
    .command(
      'draft',
      'a first mapping, from the tables and some rows of a till and of the centre, with a comment on each guess',
      [
        'mapping draft --terminal-db payflow.db --output mapping.yaml',
        'MAPPING_FILE=mapping.yaml payflow mapping check',
      ],
    )
    .option('--terminal-db <file>', 'a till file on this machine; it is only read')
    .option('--output <file>', 'a new file for it; without, it is printed');
  return withJson(command).action(cli.action((options: DraftOptions) => draft(cli, options)));
}

async function draft(cli: Cli, { terminalDb, output, json }: DraftOptions): Promise<ExitCode> {
  if (terminalDb === undefined) throw new PayflowError('USAGE', 'mapping draft needs --terminal-db FILE');
  if (output !== undefined && existsSync(output))
    throw new PayflowError('USAGE', `${output} is there already; name another file, or remove it`);
  const till = withTillFile(terminalDb, readTillFacts);
  const facts: DraftFacts = { ...till, ...(await withDatabase(cli, (pool) => readCentreFacts(pool, till))) };
  const made = draftMapping(facts);
  const text = draftText(made, head(basename(terminalDb), facts));
  const problems = made.tables.length === 0 ? [] : faults(text, facts);
  if (output !== undefined) writeFileSync(output, text, { flag: 'wx' });
  if (json === true)
    cli.output.json({
      mapping: text,
      tables: made.tables.length,
      guesses: guessesIn(text),
      left: made.left,
      problems,
    });
  else if (output === undefined) cli.output.line(text.trimEnd());
  cli.output.note(
    `${made.tables.length} tables, ${guessesIn(text)} guesses to look at, ${made.left.length} tables not mapped` +
      (output === undefined ? '' : `: ${output}`),
  );
  for (const problem of problems) cli.output.note(problemLine(problem));
  if (made.tables.length === 0)
    cli.output.note(
      'no table of the till is like one of the centre: are these the right file and DATABASE_URL?',
    );
  return made.tables.length === 0 || problems.length > 0 ? EXIT.no : EXIT.yes;
}

function head(file: string, { local, central }: DraftFacts): string[] {
  return [
    `A first mapping of ${file} (${local.size} tables) and the centre (${central.size}), made from their tables and some of`,
    'their rows. Look at each line that begins with "guessed"; what stands without a comment was not in doubt.',
    'Then: `scripts/payflow mapping check`, `scripts/payflow parity --terminal-db FILE`.',
  ];
}

/** What `mapping check` will say of it. */
function faults(text: string, { central, local }: DraftFacts): readonly MappingProblem[] {
  try {
    assertMappingFits(parseMapping(text), { central, local });
    return [];
  } catch (error) {
    if (!(error instanceof PayflowError) || error.code !== 'MAPPING_INVALID') throw error;
    return error.details['problems'] as readonly MappingProblem[];
  }
}
