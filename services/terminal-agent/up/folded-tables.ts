/** Entries that are not in the kept keys yet, as rows: which each one is of, how it is called, and where it lives. */
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { keyFromText, keyText, type EntryReader, type StoredEntry } from '../file/entry-reader.ts';
import { isUnlinked, unlinkedHandle } from '../rows/sync-rows.ts';
import type { TillTable } from '../rows/till-tables.ts';
import type { ChangeStore } from './change-store.ts';
import type { Entry } from './entries.ts';
import { foldEntries, joinReturned, type TouchedRow } from './fold-entries.ts';

export interface FoldedRow {
  readonly touched: TouchedRow;
  /** undefined: it came and went, and has no name. */
  readonly handle: string | undefined;
  /** Its name at the centre, where it is given now. */
  readonly identity: string | null;
  /** null: it is gone. */
  readonly rowKey: SqliteValue;
  /** By which the row is found again until its key is kept. */
  readonly rowEntry: string | null;
  /** Deleted and inserted again under its name. */
  readonly isBack: boolean;
}

export interface FoldedTable {
  readonly table: TillTable;
  readonly rows: readonly FoldedRow[];
  /** By the text of a key: the row that lives there, or lived there last. */
  readonly at: ReadonlyMap<string, FoldedRow>;
}

/** How rows are called that were cut. */
export type NamedChanges = Pick<ChangeStore, 'lastNumber' | 'handleOf' | 'isNamed' | 'nameOf'>;

export interface FoldParts {
  readonly entries: EntryReader;
  readonly changes: NamedChanges;
  readonly tableOf: (number: number) => TillTable | undefined;
  readonly isRetired: (table: string, identity: string) => boolean;
  /** By local table: the app may have made it anew before the entries after this one. */
  readonly rebuiltAfter: () => ReadonlyMap<string, number>;
  /** Up to which the kept keys know the changes. */
  readonly keptChange: () => number;
}

/** A UUID, with or without dashes; anything shorter is not trusted to be unique in the world. */
const MIN_IDENTITY_LENGTH = 32;

/** The handle that a row was cut under, by the entry of its insert. */
export type CutAs = (table: string, rowEntry: string) => string | undefined;

/**
 * @param range after the entries whose keys are kept; of these, those that are not cut (any more) are known by their rows
 * @param cutAs names are those of the changes that were cut; without it, rows that are new get one
 */
export function foldTables(
  { entries, tableOf, rebuiltAfter, ...parts }: FoldParts,
  range: { readonly after: number; readonly upTo: number; readonly cutUpTo: number },
  { cutAs }: { readonly cutAs?: CutAs | undefined } = {},
): FoldedTable[] {
  const byTable = new Map<TillTable, { kept: StoredEntry[]; fresh: StoredEntry[] }>();
  for (const entry of entries.read(Math.min(range.cutUpTo, range.after) + 1, range.upTo)) {
    const table = tableOf(entry.table);
    if (table === undefined) continue;
    const lists = byTable.get(table) ?? { kept: [], fresh: [] };
    byTable.set(table, lists);
    if (entry.handle !== null) lists.kept.push(entry);
    else if (entry.seq > range.after) lists.fresh.push(entry);
  }
  const rebuilt = rebuiltAfter();
  const isAllKept = parts.changes.lastNumber() <= parts.keptChange();
  return [...byTable].map(([table, { kept, fresh }]) =>
    new TableFold(
      { ...parts, table, isAllKept, cutUpTo: range.cutUpTo, rebuiltAfter: rebuilt.get(table.name) },
      fresh,
    ).result({ cutAs, kept }),
  );
}

/** Of a row without a UUID of its own: its insert's entry, which is the same in every copy of the file. */
export function entryName(id: string): string {
  return BigInt.asUintN(64, BigInt(id)).toString(16).padStart(MIN_IDENTITY_LENGTH, '0');
}

interface TableParts extends Pick<FoldParts, 'changes' | 'isRetired' | 'keptChange'> {
  readonly table: TillTable;
  readonly rebuiltAfter: number | undefined;
  readonly cutUpTo: number;
  /** The kept keys know every change that is cut. */
  readonly isAllKept: boolean;
}

class TableFold {
  readonly #parts: TableParts;
  readonly #entries: readonly Entry[];
  readonly #taken = new Set<string>();

  constructor(parts: TableParts, entries: readonly Entry[]) {
    this.#parts = parts;
    this.#entries = entries;
  }

  result({ cutAs, kept }: { cutAs: CutAs | undefined; kept: readonly StoredEntry[] }): FoldedTable {
    const { table, rebuiltAfter } = this.#parts;
    const keptAt = (key: string) => table.rows.handleAt(keyFromText(key));
    const isAnother = (identity: string, { id, key }: Entry) =>
      cutAs === undefined ? this.#isAnother(identity, key) : cutAs(table.name, id) !== undefined;
    const folded = foldEntries(this.#entries, keptAt, { rebuiltAfter, isAnother });
    const fresh = cutAs === undefined ? this.#named(folded) : folded.map((row) => this.#asCut(row, cutAs));
    const rows = kept.length === 0 ? fresh : this.#withKept(fresh, kept);
    const at = new Map<string, FoldedRow>();
    for (const row of rows) for (const { key } of row.touched.entries) at.set(key, row);
    for (const row of rows) if (row.touched.key !== null) at.set(row.touched.key, row);
    const mayBeDropped = cutAs === undefined && rebuiltAfter !== undefined;
    return { table, rows: mayBeDropped ? rows.filter((row) => !this.#isDropped(row)) : rows, at };
  }

  /** It was filled in again, and its table dropped once more: nothing says that it was deleted, so the sweep decides. */
  #isDropped({ touched: { entries, isNew, ousted }, rowKey }: FoldedRow): boolean {
    if (isNew || ousted !== null || rowKey === null) return false;
    const isRefill = entries.length > 0 && entries.every(({ op }) => op === 'c');
    return isRefill && !this.#parts.table.writer.exists(rowKey);
  }

  /** By its name, or by the central row that it is linked to; one that says neither is taken for the row that it replaces. */
  #isAnother(handle: string, key: string): boolean {
    const { table } = this.#parts;
    const rowKey = keyFromText(key);
    const { linkColumn } = table.bound;
    const link = linkColumn === null ? null : (table.writer.read(rowKey)?.get(linkColumn) ?? null);
    if (link !== null && !isUnlinked(handle)) return String(link) !== handle;
    const identity = table.rows.get(handle)?.identity ?? null;
    const name = this.#uuidAt(key);
    return identity !== null && name !== null && name !== identity;
  }

  /** What was cut by an agent file that is lost comes first: of rows that are kept, wherever they live now. */
  #withKept(fresh: readonly FoldedRow[], kept: readonly StoredEntry[]): FoldedRow[] {
    const { rows } = this.#parts.table;
    const before = new Map<string, StoredEntry[]>();
    for (const entry of kept) {
      const name = entry.handle ?? '';
      const handle = isUnlinked(name) ? (rows.named(name.slice(1)) ?? name) : name;
      before.set(handle, [...(before.get(handle) ?? []), entry]);
    }
    const known = new Set(fresh.map(({ handle }) => handle));
    const others = [...before].filter(([handle]) => !known.has(handle));
    return [
      ...others.map(([handle, entries]) => this.#keptRow(handle, entries)),
      ...fresh.map((row) => {
        const entries = before.get(row.handle ?? '') ?? [];
        const all = [...entries, ...row.touched.entries].sort((a, b) => a.seq - b.seq);
        return { ...row, touched: { ...row.touched, entries: all } };
      }),
    ];
  }

  #keptRow(handle: string, entries: readonly StoredEntry[]): FoldedRow {
    const { table, changes, keptChange } = this.#parts;
    const row = table.rows.get(handle);
    const rowKey = row?.rowKey ?? null;
    const key = rowKey === null ? null : keyText(rowKey);
    const named = { identity: handle, isNew: false, isEarlier: false, ousted: null, follows: null };
    const identity = isUnlinked(handle)
      ? (row?.identity ?? handle.slice(1))
      : (row?.identity ??
        changes.nameOf(table.name, handle, keptChange()) ??
        this.#freeName({ ...named, key, entries }));
    return { touched: { ...named, key, entries }, handle, identity, rowKey, rowEntry: null, isBack: false };
  }

  /** As it was called when it was cut; one that came back has its former handle there. */
  #asCut(touched: TouchedRow, cutAs: CutAs): FoldedRow {
    const rowKey = touched.key === null ? null : keyFromText(touched.key);
    const handle = touched.isNew ? cutAs(this.#parts.table.name, touched.identity) : touched.identity;
    return { touched, handle, identity: null, rowKey, rowEntry: null, isBack: false };
  }

  #named(folded: readonly TouchedRow[]): FoldedRow[] {
    const joined = joinReturned(folded, {
      // One that REPLACE took has its key still, and what it was called is not there any more.
      nameOf: (row) => (row.key === null ? null : this.#uuidAt(row.key)) ?? this.#keptName(row) ?? undefined,
      isHere: ({ key }) => key !== null && this.#parts.table.writer.exists(keyFromText(key)),
      cutUpTo: this.#parts.cutUpTo,
    });
    const whole = new Set(joined);
    const backs = new Map(folded.filter((row) => !whole.has(row)).map((row) => [row.entries[0], row]));
    return joined.map((touched) => {
      const back = touched.entries.map((entry) => backs.get(entry)).findLast((row) => row?.isNew === true);
      return this.#nameRow(touched, back);
    });
  }

  #nameRow(touched: TouchedRow, back: TouchedRow | undefined): FoldedRow {
    const { table, changes, keptChange } = this.#parts;
    const rowKey = touched.key === null ? null : keyFromText(touched.key);
    const isBack = back !== undefined;
    const rowEntry = back?.identity ?? (touched.isNew ? touched.identity : null);
    if (!touched.isNew) {
      const kept =
        table.rows.get(touched.identity)?.identity ??
        changes.nameOf(table.name, touched.identity, keptChange());
      const identity = kept ?? this.#freeName(touched);
      return { touched, handle: touched.identity, identity, rowKey, rowEntry, isBack };
    }
    const cut = this.#handleWhenCut(touched);
    if (cut !== undefined) {
      const identity = isUnlinked(cut) ? cut.slice(1) : (table.rows.get(cut)?.identity ?? null);
      return { touched, handle: cut, identity, rowKey, rowEntry, isBack };
    }
    if (rowKey === null) return { touched, handle: undefined, identity: null, rowKey, rowEntry, isBack };
    const identity = this.#freeName(touched);
    return { touched, handle: unlinkedHandle(identity), identity, rowKey, rowEntry, isBack };
  }

  /** Of one that was cut, and is not kept yet, what it was cut under. */
  #keptName(row: TouchedRow): string | null {
    const { table } = this.#parts;
    const handle = row.isNew ? this.#handleWhenCut(row) : row.identity;
    if (handle === undefined) return null;
    return table.rows.get(handle)?.identity ?? (isUnlinked(handle) ? handle.slice(1) : null);
  }

  /** undefined: nothing of it is cut. */
  #handleWhenCut({ identity, entries: [first] }: TouchedRow): string | undefined {
    const { table, changes, cutUpTo } = this.#parts;
    if (first !== undefined && first.seq > cutUpTo) return undefined;
    return changes.handleOf(table.name, identity);
  }

  #uuidAt(key: string): string | null {
    return usableName(this.#parts.table, keyFromText(key));
  }

  /** A row that was copied with everything in it, or comes again, is another row. */
  #freeName({ key, entries, ousted, identity }: TouchedRow): string {
    const { table, changes, isAllKept, isRetired } = this.#parts;
    const uuid = key === null ? null : this.#uuidAt(key);
    const isFree =
      uuid !== null &&
      !this.#taken.has(uuid) &&
      table.rows.named(uuid) === undefined &&
      (isAllKept || !changes.isNamed(table.name, uuid)) &&
      !isRetired(table.name, uuid);
    const name = isFree ? uuid : entryName(entries[0]?.id ?? ousted?.id ?? identity);
    this.#taken.add(name);
    return name;
  }
}

/** What the identity column says, where that can be a name. */
export function usableName(table: TillTable, rowKey: SqliteValue): string | null {
  const uuid = rowKey === null ? null : table.writer.identity(rowKey);
  return uuid !== null && uuid.length >= MIN_IDENTITY_LENGTH ? uuid : null;
}

/** The row that lives under a key, or lived there last. */
export function rowAt(folded: FoldedTable | undefined, rowKey: SqliteValue): FoldedRow | undefined {
  return folded?.at.get(keyText(rowKey));
}
