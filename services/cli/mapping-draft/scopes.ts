/** Which rows are one store's: by the column that names it, or through the row that they belong to. Pure. */
import type { CentralColumn, CentralTable } from '../../shared/catalog/central-catalog.ts';
import { typeShape } from '../../shared/catalog/central-types.ts';
import type { ColumnPair, Said, TablePair } from './facts.ts';
import { hasWord, nameLikeness, wordsOf } from './name-likeness.ts';
import type { ReferenceSaid } from './relations.ts';

const STORE: readonly string[] = [
  'store',
  'shop',
  'branch',
  'filiale',
  'filial',
  'outlet',
  'markt',
  'laden',
  'location',
  'magasin',
  'boutique',
  'tienda',
  'sucursal',
  'negozio',
  'loja',
  'winkel',
  'standort',
  'site',
];
const TERMINAL: readonly string[] = [
  'terminal',
  'till',
  'register',
  'kasse',
  'kassen',
  'device',
  'geraet',
  'pos',
  'caisse',
  'caja',
];
const NAMING: readonly string[] = ['id', 'code', 'no', 'nr', 'number', 'nummer', 'key', 'name'];

export type ScopeSaid =
  { readonly kind: 'global' } | { readonly kind: 'store' | 'via'; readonly column: string };

export interface TableScope {
  readonly scope: Said<ScopeSaid>;
  /** Central column → $store or $terminal, where the till has no column for it. */
  readonly set: ReadonlyMap<string, Said<string>>;
}

/**
 * By its name; else the one to which most tables must refer by a column that the till does not need to have, since all of
 * its rows are of one store.
 * @returns its central name; null where there is none
 */
export function storeTable(
  central: ReadonlyMap<string, CentralTable>,
  tables: readonly { readonly pair: TablePair; readonly columns: readonly ColumnPair[] }[],
): string | null {
  const named = [...central.values()].filter(({ table }) => {
    const words = wordsOf(table);
    return words.length === 1 && hasWord(table, ...STORE);
  });
  const references = (name: string) =>
    [...central.values()].filter(({ foreignKeys }) => foreignKeys.some(({ parent }) => parent === name))
      .length;
  const [best] = named.sort((a, b) => references(b.name) - references(a.name));
  return best?.name ?? onlyAtTheCentre(tables);
}

/** From which it is no accident. */
const TABLES = 2;

function onlyAtTheCentre(
  tables: readonly { readonly pair: TablePair; readonly columns: readonly ColumnPair[] }[],
): string | null {
  const counts = new Map<string, number>();
  for (const { pair, columns } of tables) {
    const isOpen = (name: string) =>
      pair.central.columns.some((column) => column.name === name && column.notNull) &&
      !columns.some(({ central }) => central.name === name);
    const parents = pair.central.foreignKeys.filter(
      (key) => key.columns.length === 1 && key.columns.every(isOpen) && key.parent !== pair.central.name,
    );
    for (const parent of new Set(parents.map((key) => key.parent)))
      counts.set(parent, (counts.get(parent) ?? 0) + 1);
  }
  const [most, next] = [...counts].sort(([, a], [, b]) => b - a);
  return most === undefined || most[1] < TABLES || most[1] === next?.[1] ? null : most[0];
}

/** Refers to the stores, or is called like it. */
function storeColumn(
  { central, centralRows }: TablePair,
  stores: string | null,
): { column: CentralColumn; why: string; gaps: number } | null {
  if (central.name === stores) return null;
  const declared = central.foreignKeys
    .filter(({ parent, columns }) => parent === stores && columns.length === 1)
    .flatMap(({ columns }) => columns);
  const isNamed = (name: string) => {
    const words = wordsOf(name);
    return (
      hasWord(words[0] ?? '', ...STORE) &&
      words.slice(1).every((word) => NAMING.includes(word)) &&
      words.length <= 2
    );
  };
  const candidates = central.columns
    .filter(({ name, generated }) => !generated && (declared.includes(name) || isNamed(name)))
    .sort(
      (a, b) =>
        Number(b.notNull) - Number(a.notNull) ||
        Number(declared.includes(b.name)) - Number(declared.includes(a.name)),
    );
  const [column] = candidates;
  if (column === undefined) return null;
  const gaps = column.notNull ? 0 : centralRows.filter((row) => row[column.name] == null).length;
  return {
    column,
    gaps,
    why: declared.includes(column.name)
      ? `${column.name} refers to ${stores ?? 'the stores'}`
      : `${column.name} is called like a store`,
  };
}

export class Scopes {
  readonly #tables: ReadonlyMap<
    string,
    { pair: TablePair; columns: readonly ColumnPair[]; references: ReadonlyMap<string, Said<ReferenceSaid>> }
  >;
  readonly #stores: string | null;
  readonly #known = new Map<string, TableScope>();

  constructor(
    tables: readonly {
      pair: TablePair;
      columns: readonly ColumnPair[];
      references: ReadonlyMap<string, Said<ReferenceSaid>>;
    }[],
    stores: string | null,
  ) {
    this.#tables = new Map(tables.map((table) => [table.pair.local.name, table]));
    this.#stores = stores;
  }

  /** @param asked tables on the way here: a circle leads to no store */
  of(name: string, asked: readonly string[] = []): TableScope {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const found = this.#find(name, asked);
    if (asked.length === 0) this.#known.set(name, found);
    return found;
  }

  #find(name: string, asked: readonly string[]): TableScope {
    const table = this.#tables.get(name);
    if (table === undefined || asked.includes(name))
      return { scope: { value: { kind: 'global' }, why: '' }, set: new Map() };
    const { pair, columns } = table;
    const set = terminalColumns(pair, columns);
    const store = storeColumn(pair, this.#stores);
    if (store !== null && store.gaps === 0) {
      const local = columns.find(({ central }) => central.name === store.column.name)?.local.name;
      const scope: Said<ScopeSaid> = {
        value: { kind: 'store', column: local ?? store.column.name },
        why: store.why,
      };
      const filled =
        local !== undefined
          ? set
          : new Map([
              [store.column.name, { value: '$store', why: 'the till has no column for its store' }],
              ...set,
            ]);
      return { scope, set: filled };
    }
    const via = this.#via(table, [...asked, name]);
    if (via !== null) return { scope: via, set };
    const why =
      store === null
        ? 'no column names a store'
        : `${store.column.name} is empty in ${store.gaps} of ${pair.centralRows.length} sampled rows`;
    return {
      scope: {
        value: { kind: 'global' },
        why: pair.central.name === this.#stores ? 'the stores themselves' : why,
      },
      set,
    };
  }

  /** The parent that a row can't be without; of several the one whose name it bears. */
  #via(
    {
      pair,
      columns,
      references,
    }: {
      pair: TablePair;
      columns: readonly ColumnPair[];
      references: ReadonlyMap<string, Said<ReferenceSaid>>;
    },
    asked: readonly string[],
  ): Said<ScopeSaid> | null {
    const parents = [...references].flatMap(
      ([
        column,
        {
          value: { table },
        },
      ]) => {
        const central = columns.find(({ local }) => local.name === column)?.central;
        const isOf =
          table !== pair.local.name &&
          central?.notNull === true &&
          this.of(table, asked).scope.value.kind !== 'global';
        return isOf ? [{ column, table, like: nameLikeness(pair.local.name, table) }] : [];
      },
    );
    const [best] = parents.sort((a, b) => b.like - a.like);
    return best === undefined
      ? null
      : { value: { kind: 'via', column: best.column }, why: `its rows belong to a row of ${best.table}` };
  }
}

/** Central columns for the till's name, which the till itself has not. */
function terminalColumns({ central }: TablePair, columns: readonly ColumnPair[]): Map<string, Said<string>> {
  const free = central.columns.filter(({ name, type, generated }) => {
    const isText = ['text', 'char'].includes(typeShape(type).family);
    const isTaken =
      columns.some((pair) => pair.central.name === name) ||
      central.foreignKeys.some((key) => key.columns.includes(name));
    const words = wordsOf(name);
    const isNamed =
      hasWord(words[0] ?? '', ...TERMINAL) && words.slice(1).every((word) => NAMING.includes(word));
    return isText && isNamed && !isTaken && !generated && !central.key.includes(name);
  });
  return new Map(
    free.map(({ name }) => [
      name,
      { value: '$terminal', why: 'called like a till, and the till has no column for it' },
    ]),
  );
}
