/**
 * Which tables a trigger writes, by its text as SQLite keeps it. Pure. Only statements that write are looked at, each
 * by its first words:
 *
 *   INSERT | REPLACE [OR …] INTO table     DELETE FROM table     UPDATE [OR …] table
 *
 * What is in comments, in texts and in names with quotes is no word.
 */

interface Token {
  /** In lower case, of words; else the sign itself. */
  readonly word: string;
  /** A name as it was meant; null where the token can be none. */
  readonly name: string | null;
}

const TOKEN =
  /--[^\n]*|\/\*[^]*?(?:\*\/|$)|'((?:[^']|'')*)'|"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|\[([^\]]*)\]|([\p{L}_$][\p{L}\p{N}_$]*)|[^\s]/gu;

function tokensOf(sql: string): Token[] {
  const tokens: Token[] = [];
  for (const match of sql.matchAll(TOKEN)) {
    const [text, single, double, back, square, word] = match;
    if (text.startsWith('--') || text.startsWith('/*')) continue;
    const quoted =
      single?.replaceAll("''", "'") ?? double?.replaceAll('""', '"') ?? back?.replaceAll('``', '`') ?? square;
    if (quoted !== undefined) tokens.push({ word: '', name: quoted });
    else tokens.push({ word: text.toLowerCase(), name: word ?? null });
  }
  return tokens;
}

/** @returns the tables, as the trigger names them, in lower case; null where the text is not understood */
export function triggerTargets(sql: string): string[] | null {
  const statements = statementsOf(tokensOf(sql));
  if (statements === null) return null;
  const targets: string[] = [];
  for (const { tokens, start } of statements) {
    const target = targetOf(tokens, start);
    if (target === undefined) return null;
    if (target !== null) targets.push(target.toLowerCase());
  }
  return targets;
}

/** Whether a statement of the trigger has a conflict clause; a text that is not understood may have one. */
export function triggerHasConflictClause(sql: string): boolean {
  const statements = statementsOf(tokensOf(sql));
  if (statements === null) return true;
  return statements.some(({ tokens, start }) => {
    const word = tokens[start]?.word;
    if (word === 'replace') return true;
    return (word === 'insert' || word === 'update') && tokens[start + 1]?.word === 'or';
  });
}

/** Whether the declaration of a table, or of an index, says what happens to rows in the way of another. */
export function hasConflictClause(sql: string): boolean {
  return tokensOf(sql).some(({ word }, at, all) => word === 'on' && all[at + 1]?.word === 'conflict');
}

interface StatementStart {
  readonly tokens: readonly Token[];
  readonly start: number;
}

/** Where the statements of a trigger's body start; null where the text is not understood. */
function statementsOf(tokens: readonly Token[]): StatementStart[] | null {
  // BEGIN can be a name before the body, but never as the last one that a statement follows.
  const begin = tokens.findIndex(({ word }, at) => word === 'begin' && isStatement(tokens[at + 1]));
  if (begin < 0) return null;
  return tokens.flatMap((_, at) =>
    at > begin && (at === begin + 1 || tokens[at - 1]?.word === ';') ? [{ tokens, start: at }] : [],
  );
}

const STATEMENTS: readonly string[] = ['insert', 'replace', 'update', 'delete', 'select', 'with', 'values'];

function isStatement(token: Token | undefined): boolean {
  return token !== undefined && STATEMENTS.includes(token.word);
}

/** null: it writes nothing; undefined: no statement that a trigger can have. */
function targetOf(tokens: readonly Token[], start: number): string | null | undefined {
  const word = (at: number) => tokens[at]?.word ?? '';
  let at = start + 1;
  if ((word(start) === 'insert' || word(start) === 'update') && word(at) === 'or') at += 2;
  switch (word(start)) {
    case 'end':
    case ';':
    case 'select':
    case 'values':
      return null;
    case 'insert':
    case 'replace':
      return word(at) === 'into' ? nameAt(tokens, at + 1) : undefined;
    case 'delete':
      return word(at) === 'from' ? nameAt(tokens, at + 1) : undefined;
    case 'update':
      return nameAt(tokens, at);
    default:
      return undefined;
  }
}

/** The name at this place, without a schema before it. */
function nameAt(tokens: readonly Token[], at: number): string | undefined {
  const named = tokens[at + 1]?.word === '.' ? tokens[at + 2] : tokens[at];
  return named?.name ?? undefined;
}

/** Search indexes are virtual tables: what only fills them counts nothing twice. @param virtual in lower case */
export function writesOnlyVirtual(sql: string, virtual: ReadonlySet<string>): boolean {
  const targets = triggerTargets(sql);
  return targets !== null && targets.length > 0 && targets.every((table) => virtual.has(table));
}
