/** What a till can say of one row that may differ: whether it does, in what, and what else is going on with it. */
import { hash } from 'node:crypto';
import { PayflowError } from '../../shared/errors.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { sameStored } from '../../shared/values/same-meaning.ts';
import { timestampMs, toLocalValue } from '../../shared/values/values.ts';
import type { CentralRowLook, RowFacts } from '../../shared/verify/questions.ts';
import { isPutAway, outlivesDelete } from '../rows/central-deletes.ts';
import { decodeImage, decodeValue, encodeValue, type Image } from '../rows/image.ts';
import type { ParkedRows } from '../rows/parked.ts';
import { isUnlinked, type SyncRow } from '../rows/sync-rows.ts';
import type { TillTable } from '../rows/till-tables.ts';
import type { Flight } from '../settle/flight.ts';
import type { ParentOf } from '../up/row-values.ts';
import { centralText, centralValue, parentText, type SharedColumn } from './row-texts.ts';

export interface LookParts {
  readonly table: TillTable;
  readonly columns: readonly SharedColumn[];
  readonly flight: Flight;
  readonly parked: ParkedRows;
  readonly isUnswept: boolean;
  /** Among the exceptions of the till's progress. */
  readonly isHeld: (seq: number) => boolean;
  readonly parentOf: ParentOf;
}

type ColumnFact = RowFacts['columns'][number];

export class RowLook {
  readonly #parts: LookParts;

  constructor(parts: LookParts) {
    this.#parts = parts;
  }

  /** A row by its central id. */
  byId({ id, values }: CentralRowLook): RowFacts {
    const { table, parked, columns } = this.#parts;
    const row = table.rows.get(id);
    const rowKey = row?.rowKey ?? null;
    const raw = rowKey === null ? undefined : table.writer.look(rowKey);
    const link = raw === undefined || rowKey === null ? null : this.#link(rowKey);
    const base = row?.base == null ? null : decodeImage(table.bound, row.base);
    const isBoth = raw !== undefined && values !== null;
    return {
      ...this.#state(id, { row, rowKey, raw, link }),
      id,
      isKept: rowKey !== null && row?.deleted !== true,
      outlivesDelete: raw !== undefined && outlivesDelete(table.bound, raw),
      isPutAway: row !== undefined && isPutAway(table.bound, row),
      parked: parked.get(table.name, id)?.reason ?? null,
      columns: isBoth ? [...this.#differing(raw, values, base), ...this.#linkFact(id, link)] : [],
      tillMs: this.#timeMs((at) => raw?.[at] ?? null, true),
      centreMs: this.#timeMs((_, place) => (place < 0 ? null : (values?.[place] ?? null)), false, columns),
    };
  }

  /** A row that had no central id when the table was gone over. */
  byKey(key: string): RowFacts {
    const { table } = this.#parts;
    const rowKey = decodeValue(key);
    const handle = rowKey === null ? undefined : table.rows.handleAt(rowKey);
    const raw = rowKey === null ? undefined : table.writer.look(rowKey);
    const isLinked = handle !== undefined && !isUnlinked(handle);
    const row = handle === undefined ? undefined : table.rows.get(handle);
    const found = isLinked ? undefined : raw;
    return {
      ...this.#state(handle ?? '', { row, rowKey, raw: found, link: null }),
      id: null,
      isKept: false,
      outlivesDelete: false,
      isPutAway: false,
      parked: null,
      columns: [],
      tillMs: this.#timeMs((at) => raw?.[at] ?? null, true),
      centreMs: null,
    };
  }

  #state(
    handle: string,
    seen: {
      readonly row: SyncRow | undefined;
      readonly rowKey: SqliteValue;
      readonly raw: readonly SqliteValue[] | undefined;
      readonly link: SqliteValue;
    },
  ): Pick<RowFacts, 'key' | 'isRefused' | 'unsettled' | 'isUnswept' | 'signature'> {
    const { table, flight, isHeld, isUnswept } = this.#parts;
    const open = flight.ofRow(table.name, handle);
    const unsettled =
      open.length === 0 ? 'nothing' : open.every(({ number }) => isHeld(number)) ? 'held' : 'on its way';
    const { row, rowKey, raw, link } = seen;
    const held = [rowKey, link, ...(raw ?? [])].map(encodeValue);
    return {
      key: raw === undefined ? null : shownKey(rowKey),
      isRefused: row?.refused === true,
      unsettled,
      isUnswept,
      signature: hash(
        'sha256',
        JSON.stringify([raw === undefined, row?.position.toString('hex'), row?.base, held]),
      ),
    };
  }

  #link(rowKey: SqliteValue): SqliteValue {
    const { bound, writer } = this.#parts.table;
    return bound.linkColumn === null ? null : (writer.read(rowKey)?.get(bound.linkColumn) ?? null);
  }

  /** The column in which the app finds the central id is a copy of what is kept. */
  #linkFact(id: string, link: SqliteValue): ColumnFact[] {
    const { linkColumn } = this.#parts.table.bound;
    if (linkColumn === null || String(link) === id) return [];
    return [{ column: linkColumn, tillLeft: true, centreLeft: false }];
  }

  #differing(
    raw: readonly SqliteValue[],
    values: readonly (string | null)[],
    base: Image | null,
  ): ColumnFact[] {
    return this.#parts.columns.flatMap((shared, place) => {
      const { column, at } = shared;
      // The centre's value was too large to travel, and the till's stays.
      if (base?.omitted?.includes(column.local) === true) return [];
      const [local, text] = [raw[at] ?? null, values[place] ?? null];
      if (this.#isSame(shared, local, text)) return [];
      return [{ column: column.local, ...this.#whoLeft(shared, { local, text, base }) }];
    });
  }

  #isSame(shared: SharedColumn, local: SqliteValue, text: string | null): boolean {
    const { column, type, same, plain, convert } = shared;
    if (column.reference !== null) {
      const parent = parentText(shared, local, this.#parts.parentOf);
      return parent === (text === null ? null : plain(text));
    }
    const central = centralValue(type, text);
    try {
      return same({ local, central, written: toLocalValue(central, { type }, column) });
    } catch (error) {
      if (!(error instanceof PayflowError && error.code === 'VALUE_UNFIT')) throw error;
      // The till can't hold what the centre has.
      return local !== null && text !== null && convert(local) === centralText(type, central);
    }
  }

  #whoLeft(
    shared: SharedColumn,
    { local, text, base }: { local: SqliteValue; text: string | null; base: Image | null },
  ): Omit<ColumnFact, 'column'> {
    const { column, type, plain } = shared;
    const at = base?.set.columns.findIndex((each) => each.local === column.local) ?? -1;
    if (base === null || at < 0) return { tillLeft: null, centreLeft: null };
    const known = base.central?.types[at] === type || column.reference !== null;
    const said = centralText(type, base.central?.values[at] ?? null);
    const now = centralText(type, centralValue(type, text));
    const centreLeft = known ? plainOf(plain, said) !== plainOf(plain, now) : null;
    if (!known) return { tillLeft: !sameStored(local, base.values[at] ?? null), centreLeft };
    return { tillLeft: !this.#isSame(shared, local, said), centreLeft };
  }

  #timeMs(
    value: (at: number, place: number) => SqliteValue,
    isLocal: boolean,
    columns: readonly SharedColumn[] = this.#parts.columns,
  ): number | null {
    const { timestampColumn } = this.#parts.table.bound;
    const place = columns.findIndex(({ column }) => column.local === timestampColumn);
    const shared = columns[place];
    if (shared === undefined) return null;
    return timestampMs(value(shared.at, place), isLocal ? shared.column.options : {});
  }
}

function plainOf(plain: (text: string) => string, text: string | null): string | null {
  return text === null ? null : plain(text);
}

function shownKey(rowKey: SqliteValue): string {
  return Buffer.isBuffer(rowKey) ? `x'${rowKey.toString('hex')}'` : String(rowKey);
}
