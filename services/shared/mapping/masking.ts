/**
 * What people are shown of rows: the values of columns under `sensitive:` never, whoever asks. Everything that
 * renders a row, a change or a refusal's text goes through here, so there is one place that can forget it.
 *
 *   the column is            | a value is shown as
 *   -------------------------+---------------------------------------------
 *   not sensitive            | itself
 *   sensitive                | MASKED; null stays null
 *   of a table not mapped    | MASKED: nothing says any more what was sensitive in it
 */
import { ByLocalName, isSameName } from '../catalog/same-name.ts';
import { centralColumn, type Mapping, type TableMapping } from './mapping.ts';

export const MASKED = '********';

type Row = Readonly<Record<string, unknown>>;

/** A change as a dead letter or a held unit holds it: local names, whatever the form of its values. */
export interface ShownChange {
  readonly table: string;
  readonly columns: readonly { readonly name: string; readonly old: unknown; readonly new: unknown }[];
}

export class Masking {
  readonly #byLocal: ByLocalName<TableMapping>;
  readonly #byCentral: ReadonlyMap<string, TableMapping>;

  /** @param mapping null: unknown, so everything is masked */
  constructor(mapping: Pick<Mapping, 'tables'> | null) {
    const tables = mapping?.tables ?? [];
    this.#byLocal = new ByLocalName(tables.map((table) => [table.local, table]));
    this.#byCentral = new Map(tables.map((table) => [table.central, table]));
  }

  /** @param name the central table's @param row by central column */
  centralRow(name: string, row: Row | null): Row | null {
    if (row === null) return null;
    const table = this.#byCentral.get(name);
    const hidden =
      table && new ByLocalName([...table.sensitive].map((local) => [centralColumn(table, local), true]));
    return Object.fromEntries(
      Object.entries(row).map(([column, value]) => [
        column,
        hidden !== undefined && !hidden.has(column) ? value : maskedValue(value),
      ]),
    );
  }

  /** What an operator put into a column; its names are local or central ones. */
  given(table: string, column: string, value: unknown): unknown {
    const mapping = this.#byLocal.get(table) ?? this.#byCentral.get(table);
    if (mapping === undefined) return maskedValue(value);
    const isHidden = [...mapping.sensitive].some(
      (local) => isSameName(local, column) || centralColumn(mapping, local) === column,
    );
    return isHidden ? maskedValue(value) : value;
  }

  change<Change extends ShownChange>(change: Change): Change {
    const columns = change.columns.map((column) =>
      this.isShown(change.table, column.name)
        ? column
        : { ...column, old: maskedValue(column.old), new: maskedValue(column.new) },
    );
    return { ...change, columns };
  }

  /** A text about these changes, as of PostgreSQL's refusal, without the values that are masked in them. */
  text(text: string, changes: readonly ShownChange[]): string {
    return withoutValues(
      text,
      this.#values(changes, (table, column) => !this.isShown(table, column)),
    );
  }

  /** For those who see no rows: the text without any value of the changes, and without what stands in quotes. */
  textWithoutRows(text: string, changes: readonly ShownChange[], names: readonly (string | null)[]): string {
    const known = new Set([...names, ...changes.flatMap((change) => this.#names(change))]);
    const unquoted = text.replace(/"((?:[^"]|"")*)"/g, (quoted: string, inner: string) =>
      known.has(inner) ? quoted : `"${MASKED}"`,
    );
    return withoutValues(
      unquoted,
      this.#values(changes, () => true),
    );
  }

  /** By local names. */
  isShown(local: string, column: string): boolean {
    const table = this.#byLocal.get(local);
    return table !== undefined && ![...table.sensitive].some((name) => isSameName(name, column));
  }

  #names({ table, columns }: ShownChange): string[] {
    const mapping = this.#byLocal.get(table);
    const names = columns.flatMap(({ name }) => [name, mapping ? centralColumn(mapping, name) : name]);
    return [table, ...(mapping ? [mapping.central] : []), ...names];
  }

  #values(
    changes: readonly ShownChange[],
    isHidden: (table: string, column: string) => boolean,
  ): ReadonlySet<string> {
    const hidden = changes.flatMap(({ table, columns }) =>
      columns.filter(({ name }) => isHidden(table, name)).flatMap((column) => [column.old, column.new]),
    );
    const texts = hidden.map(plainText).filter((text) => text !== '');
    // Our own messages double the quotes in a value that they show.
    return new Set(texts.flatMap((text) => [text, text.replaceAll('"', '""')]));
  }
}

function maskedValue(value: unknown): unknown {
  return value === null || value === undefined ? value : MASKED;
}

/** A stored value as text; SQLite's storage classes come as {i}, {r}, {b} from a dead letter. */
function plainText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || typeof value === 'number') return String(value);
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (typeof value !== 'object' || value === null) return '';
  const [inner] = Object.values(value) as unknown[];
  return typeof inner === 'string' ? inner : '';
}

/** Shorter ones would make holes in words. */
const SURELY_A_VALUE = 4;

function withoutValues(text: string, values: ReadonlySet<string>): string {
  let rest = text;
  // The longest first: one value may be part of another.
  for (const value of [...values].sort((a, b) => b.length - a.length)) {
    if (value.length >= SURELY_A_VALUE) rest = rest.replaceAll(value, MASKED);
    else rest = rest.replace(new RegExp(`(?<![\\w])${escaped(value)}(?![\\w])`, 'g'), MASKED);
  }
  return rest;
}

function escaped(value: string): string {
  return value.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
