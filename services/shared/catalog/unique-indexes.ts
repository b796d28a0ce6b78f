/** What makes two rows of a table collide: its unique indexes, those on expressions and those for some rows only too. */
import type { Database } from 'better-sqlite3';

export interface LocalUniqueIndex {
  /** All that its terms and its condition read, and what generated columns among these are made of. */
  readonly columns: readonly string[];
  /** SQL over bare names of columns, with the index's collation where it is not the column's; else the columns. */
  readonly terms?: readonly string[] | undefined;
  /** Of a partial index its condition, over bare names too. */
  readonly condition?: string | undefined;
}

export interface NamedColumn {
  readonly name: string;
  readonly generated: boolean;
}

interface IndexRow {
  readonly name: string;
  readonly unique: number;
  readonly origin: string;
}

interface TermRow {
  readonly name: string | null;
  readonly coll: string;
}

/** The primary key is not among them. */
export function readUniqueIndexes(
  db: Database,
  table: string,
  columns: readonly NamedColumn[],
): LocalUniqueIndex[] {
  const sqlOf = db.prepare<[string], string | null>('SELECT sql FROM sqlite_master WHERE name = ?').pluck();
  const tableSql = sqlOf.get(table) ?? '';
  const indexes = db
    .prepare('SELECT name, "unique", origin FROM pragma_index_list(?)')
    .safeIntegers(false)
    .all(table) as IndexRow[];
  return indexes
    .filter(({ unique, origin }) => unique === 1 && origin !== 'pk')
    .map(({ name }) => {
      const terms = db
        .prepare('SELECT name, coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno')
        .all(name) as TermRow[];
      return uniqueIndex(terms, { indexSql: sqlOf.get(name) ?? '', tableSql, columns });
    });
}

interface Declared {
  /** '' of one that a constraint made. */
  readonly indexSql: string;
  readonly tableSql: string;
  readonly columns: readonly NamedColumn[];
}

function uniqueIndex(terms: readonly TermRow[], { indexSql, tableSql, columns }: Declared): LocalUniqueIndex {
  const parts = indexParts(indexSql);
  const condition = parts?.condition;
  const isPlain = terms.every(({ name }) => name !== null) && !/\bcollate\b/i.test(tableSql + indexSql);
  const written = terms.map(({ name, coll }, at) =>
    name === null ? (parts?.terms[at] ?? 'NULL') : `${quoted(name)} COLLATE ${coll}`,
  );
  const texts = isPlain ? [] : written;
  const read = new Set([
    ...terms.flatMap(({ name }) => name ?? []),
    ...[...texts, condition ?? ''].flatMap((text) => columnsIn(text, columns)),
  ]);
  const made = [...read].some((name) => columns.some((column) => column.name === name && column.generated));
  // Of what a generated column is made can't be read from the catalog.
  if (made) for (const name of columnsIn(tableSql, columns)) read.add(name);
  return { columns: [...read], terms: isPlain ? undefined : written, condition };
}

interface IndexParts {
  readonly terms: readonly string[];
  readonly condition: string | undefined;
}

/** Of CREATE UNIQUE INDEX name ON table (terms) WHERE condition. */
function indexParts(sql: string): IndexParts | undefined {
  const tokens = tokensOf(sql);
  const open = tokens.findIndex(({ text }) => text === '(');
  if (open === -1) return undefined;
  const terms: string[] = [];
  let depth = 0;
  let from = (tokens[open]?.at ?? 0) + 1;
  for (const { text, at } of tokens.slice(open)) {
    if (text === '(') depth += 1;
    if (text === ')') depth -= 1;
    if (depth === 0 || (depth === 1 && text === ',')) {
      terms.push(withoutOrder(sql.slice(from, at)));
      from = at + 1;
    }
    if (depth === 0) break;
  }
  const where = /^\s*where\b/i.exec(sql.slice(from));
  return { terms, condition: where === null ? undefined : sql.slice(from + where[0].length).trim() };
}

function withoutOrder(term: string): string {
  return term.replace(/\s+(?:asc|desc)\s*$/i, '').trim();
}

interface Token {
  readonly text: string;
  readonly at: number;
}

const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\p{L}_$][\p{L}\p{N}_$]*|\S/gu;

function tokensOf(sql: string): Token[] {
  return [...sql.matchAll(TOKEN)]
    .filter(([text]) => !text.startsWith('--') && !text.startsWith('/*'))
    .map((match) => ({ text: match[0], at: match.index }));
}

/** Columns of the table that a piece of SQL names. */
function columnsIn(sql: string, columns: readonly NamedColumn[]): string[] {
  const named = new Set(tokensOf(sql).map(({ text }) => bareName(text).toLowerCase()));
  return columns.map(({ name }) => name).filter((name) => named.has(name.toLowerCase()));
}

function bareName(text: string): string {
  if (/^["`]/.test(text)) return text.slice(1, -1).replaceAll(text.charAt(0).repeat(2), text.charAt(0));
  return text.startsWith('[') ? text.slice(1, -1) : text;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
