/** Which table a column refers to, so far as it is declared, or bears the name of that table's key. Pure. */
import type { TablePair } from './facts.ts';

/** Names that every key has. */
const ANY_KEY = /^(?:id|_id|key|uuid|guid|rowid|nr|no|code|name)$/i;

export class Parents {
  readonly #byLocal: ReadonlyMap<string, TablePair>;
  readonly #central: ReadonlySet<string>;
  readonly #byKey = new Map<string, TablePair | null>();

  constructor(pairs: readonly TablePair[]) {
    this.#byLocal = new Map(pairs.map((pair) => [pair.local.name.toLowerCase(), pair]));
    this.#central = new Set(pairs.map(({ central }) => central.name));
    for (const pair of pairs) {
      const [key, ...others] = pair.local.key;
      if (key === undefined || others.length > 0 || ANY_KEY.test(key)) continue;
      // Of two tables whose keys bear one name neither is meant.
      this.#byKey.set(key.toLowerCase(), this.#byKey.has(key.toLowerCase()) ? null : pair);
    }
  }

  /** @returns the pair that the till's declaration, or the column's name and values, leads to; null where none */
  local(table: TablePair, column: string): TablePair | null {
    return this.declared(table, column) ?? this.#bearingItsKey(table, column);
  }

  declared({ local }: TablePair, column: string): TablePair | null {
    return this.#byLocal.get(declaredParent(local, column)?.toLowerCase() ?? '') ?? null;
  }

  #bearingItsKey({ local, localRows }: TablePair, column: string): TablePair | null {
    const parent = this.#byKey.get(column.toLowerCase());
    if (parent == null || parent.local.name === local.name) return null;
    const [key = ''] = parent.local.key;
    const known = new Set(parent.localRows.map((row) => String(row[key])));
    const values = localRows.flatMap((row) => (row[column] == null ? [] : [String(row[column])]));
    const missing = values.filter((value) => !known.has(value)).length;
    return 10 * missing > values.length ? null : parent;
  }

  /** @returns the central name of a mapped table; null where none */
  central({ central }: TablePair, column: string): string | null {
    const key = central.foreignKeys.find(({ columns }) => columns.length === 1 && columns[0] === column);
    return key !== undefined && this.#central.has(key.parent) ? key.parent : null;
  }

  /** @returns the table that the till declares, where that is not mapped: its numbers would mean nothing at the centre */
  notMapped({ local }: TablePair, column: string): string | null {
    const parent = declaredParent(local, column);
    return parent === undefined || this.#byLocal.has(parent.toLowerCase()) ? null : parent;
  }
}

function declaredParent({ foreignKeys }: TablePair['local'], column: string): string | undefined {
  return foreignKeys.find(({ columns }) => columns.length === 1 && columns[0] === column)?.parent;
}
