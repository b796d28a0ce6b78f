/**
 * Tables as entries of the version before recorded them. One that this file lacks for now, or that no mapping names any
 * more, goes up by the columns that its entries have.
 */
import { bindLocal, type BoundTable, type LocalBinding } from '../../shared/catalog/table-binding.ts';
import type { LocalTable } from '../../shared/catalog/local-catalog.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { setMeta } from '../till/file-facts.ts';
import { keptTables } from '../till/recorded-names.ts';
import { quoteName } from '../till/local-schema.ts';
import { LATER_BASES } from './later-bases.ts';
import type { ChangeColumns } from './old-outbox.ts';

const ROWS = 'sync_row_';

/** Of a table that the mapping has dropped nothing else is known. */
const UNMAPPED: Omit<TableMapping, 'local' | 'central'> = {
  scope: { kind: 'global' },
  direction: 'both',
  delete: 'auto',
  policy: 'last-writer-wins',
  granularity: 'column',
  exclude: new Set(),
  identity: '',
  link: '',
  timestamp: '',
  rename: new Map(),
  columns: new Map(),
  set: new Map(),
  references: new Map(),
  naturalKey: [],
  sensitive: new Set(),
  appTriggers: 'auto',
};

export class RecordedTables {
  readonly #binding: LocalBinding;
  readonly #known = new Map<string, BoundTable>();

  constructor(binding: LocalBinding) {
    this.#binding = binding;
  }

  of(columns: ChangeColumns): BoundTable {
    const { table } = columns;
    const here = this.#binding.tables.get(table) ?? this.#binding.uninstallable?.get(table)?.bound;
    const found = here ?? this.#known.get(table) ?? this.#recorded(columns);
    this.#known.set(table, found);
    return found;
  }

  #recorded({ table, newIndex }: ChangeColumns): BoundTable {
    const missing = this.#binding.missing.find(({ local }) => local === table);
    const mapping = missing ?? { ...UNMAPPED, local: table, central: table };
    const local = recordedTable(table, [...newIndex.keys()]);
    const [bound] = bindLocal(
      { version: 0, tables: [mapping], source: '' },
      new Map([[table, local]]),
    ).tables.values();
    return bound as BoundTable;
  }
}

function recordedTable(name: string, columns: readonly string[]): LocalTable {
  return {
    name,
    columns: columns.map((column) => ({
      name: column,
      declaredType: '',
      affinity: 'BLOB',
      notNull: false,
      hasDefault: false,
      generated: false,
    })),
    key: [],
    keyIsRowid: false,
    withoutRowid: false,
    uniques: [],
    foreignKeys: [],
    appTriggers: [],
  };
}

/** Tables that are not here: their rows have their names now, and get their bases when they come back. */
export function nameAbsent(db: SqliteDatabase, isHere: (table: string) => boolean): void {
  const absent = keptTables(db).filter((name) => !isHere(name));
  for (const name of absent) {
    const rows = quoteName(`${ROWS}${name}`);
    db.prepare(
      `UPDATE ${rows} SET identity = (SELECT identity FROM sync_identity
          WHERE table_name = ? AND row_key = ${rows}.row_key)
        WHERE identity IS NULL AND row_key IS NOT NULL`,
    ).run(name);
  }
  setMeta(db, LATER_BASES, absent.length === 0 ? null : JSON.stringify(absent));
}
