/**
 * A till's row in the centre's texts, for digests. What goes up as the centre's text is that text; where a value may be
 * written in more ways than one (a time in whole seconds, cents, JSON), the centre's own text is taken from the row's
 * image, as long as the value means it.
 */
import type { BoundColumn } from '../../shared/catalog/table-binding.ts';
import { typeShape } from '../../shared/catalog/central-types.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { CentralValue } from '../../shared/records/change-record.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { centralConverter, type CentralConverter } from '../../shared/values/central-text.ts';
import { floatText } from '../../shared/values/float-text.ts';
import { meaningComparer, sameStored, type SameMeaning } from '../../shared/values/same-meaning.ts';
import type { ComparedColumn } from '../../shared/verify/questions.ts';
import { digestText } from '../../shared/verify/row-digest.ts';
import { decodeImage, type Image } from '../rows/image.ts';
import type { TillTable } from '../rows/till-tables.ts';
import type { ParentOf } from '../up/row-values.ts';

/** The text of a value that has none at the centre: no text of the centre holds a zero character. */
const NO_TEXT = '\0';
const SINGLE_BYTES = 4;

/** A column that both sides have, and what it takes to compare it. */
export interface SharedColumn {
  readonly column: BoundColumn;
  /** Its place among the table's bound columns. */
  readonly at: number;
  readonly type: string;
  readonly convert: CentralConverter;
  readonly same: SameMeaning;
  readonly plain: (text: string) => string;
  readonly hasOtherForms: boolean;
}

/** In the order of what was asked for. @throws PayflowError CONFLICT the till has another table by now */
export function sharedColumns({ bound }: TillTable, asked: readonly ComparedColumn[]): SharedColumn[] {
  return asked.map(({ name, type }) => {
    const at = bound.columns.findIndex(({ central }) => central === name);
    const column = bound.columns[at];
    if (column === undefined)
      throw new PayflowError('CONFLICT', `${bound.local.name} has no column for ${name} any more`);
    return {
      column,
      at,
      type,
      convert: centralConverter(type, column.options),
      same: meaningComparer(type, column),
      plain: digestText(type),
      hasOtherForms: column.reference === null && hasOtherForms(type, column),
    };
  });
}

/** Whether what the till holds may go up as another text than the one that came down. */
function hasOtherForms(type: string, { options }: BoundColumn): boolean {
  const { family, scale } = typeShape(type);
  const isLossy =
    options.format !== undefined || options.minorUnits !== undefined || options.emptyIsNull === true;
  const isFree = family === 'json' || family === 'array' || family === 'float' || family === 'date';
  return isLossy || isFree || (family === 'numeric' && scale === null) || /^(?:time|interval)/.test(type);
}

export class RowTexts {
  readonly table: TillTable;
  readonly columns: readonly SharedColumn[];
  /** The image of a row is needed for its texts. */
  readonly needsBase: boolean;
  readonly #ofBase: ReadonlySet<string>;

  constructor(table: TillTable, columns: readonly SharedColumn[]) {
    this.table = table;
    this.columns = columns;
    this.#ofBase = new Set(columns.flatMap(({ hasOtherForms: has, column }) => (has ? [column.local] : [])));
    this.needsBase = this.#ofBase.size > 0;
  }

  /** @param raw what the table's bound columns hold @param base as it is kept */
  of(raw: readonly SqliteValue[], base: string | null, parentOf: ParentOf): (string | null)[] {
    const image = this.needsBase && base !== null ? decodeImage(this.table.bound, base, this.#ofBase) : null;
    return this.columns.map((shared) => {
      const value = raw[shared.at] ?? null;
      if (shared.column.reference !== null) return parentText(shared, value, parentOf);
      const known = image === null || !shared.hasOtherForms ? undefined : agreedText(shared, value, image);
      return known === undefined ? textOf(shared, value) : known;
    });
  }
}

/** The centre's text of a column that the till has left as it was; undefined: it has not, or there is none. */
function agreedText(
  { column, type, same, plain }: SharedColumn,
  local: SqliteValue,
  { set, values, central }: Image,
): string | null | undefined {
  const at = set.columns.findIndex((each) => each.local === column.local);
  if (at < 0 || central === undefined || central.types[at] !== type) return undefined;
  const [said, written] = [central.values[at] ?? null, values[at] ?? null];
  if (!sameStored(local, written) && !same({ local, central: said, written })) return undefined;
  const text = centralText(type, said);
  return text === null ? null : plain(text);
}

/** As PostgreSQL prints it with `::text`. */
export function centralText(type: string, value: CentralValue): string | null {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  const { family, bytes } = typeShape(type);
  return family === 'float' && typeof value === 'number'
    ? floatText(value, bytes === SINGLE_BYTES)
    : String(value);
}

/** What capture would have made of PostgreSQL's text. */
export function centralValue(type: string, text: string | null): CentralValue {
  if (text === null) return null;
  const { family } = typeShape(type);
  if (family === 'boolean') return text === 't' || text === 'true';
  if (family === 'integer') return BigInt(text);
  if (family === 'float') return Number(text);
  return family === 'bytes' ? Buffer.from(text.slice(2), 'hex') : text;
}

function textOf({ convert, plain }: SharedColumn, value: SqliteValue): string | null {
  try {
    const text = convert(value);
    return text === null ? null : plain(text);
  } catch (error) {
    if (error instanceof RangeError || (error instanceof PayflowError && error.code === 'VALUE_UNFIT'))
      return NO_TEXT;
    throw error;
  }
}

/** The central id of the row that a reference means; of one without, what no row is called at the centre. */
export function parentText(
  { column, plain }: Pick<SharedColumn, 'column' | 'plain'>,
  value: SqliteValue,
  parentOf: ParentOf,
): string | null {
  if (value === null) return null;
  const handle = parentOf(column, value);
  if (handle !== null) return plain(handle);
  return value === '' || value === 0n || value === 0 || value === '0' ? null : NO_TEXT;
}
