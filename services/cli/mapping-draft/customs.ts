/** What tables and columns of their kind usually need: who changes them, what is added up, what is secret. Pure. */
import { typeShape } from '../../shared/catalog/central-types.ts';
import type { ColumnPair, Said, TablePair } from './facts.ts';
import { hasWord, speaksOf, wordsOf } from './name-likeness.ts';
import type { ReferenceSaid } from './relations.ts';
import type { TableDraft } from './draft-table.ts';
import type { TableScope } from './scopes.ts';

/** Entries that are made once and never changed. */
const ENTRIES: readonly string[] = [
  'transaction',
  'movement',
  'journal',
  'ledger',
  'entry',
  'bewegung',
  'buchung',
  'move',
  'mvt',
];
/** What is only kept for whoever looks later. */
const EVIDENCE: readonly string[] = ['audit', 'log', 'protokoll', 'history', 'verlauf', 'event'];
const PRINTED: readonly string[] = ['receipt', 'quittung', 'kassenbon'];
/** Sums that both sides add to. */
const SUMS: readonly string[] = [
  'stock',
  'points',
  'balance',
  'bestand',
  'lagerbestand',
  'punkte',
  'saldo',
  'received',
  'treuepunkte',
];
/** Levels of stock that somebody decides. */
const LEVELS: readonly string[] = [
  'min',
  'max',
  'minimum',
  'maximum',
  'reorder',
  'level',
  'price',
  'id',
  'at',
  'melde',
  'is',
  'value',
];
/** What a table is called that holds how much there is of something, with what. */
const STOCKS: readonly string[] = ['stock', 'inventory', 'bestand', 'lagerbestand', 'voorraad', 'estoque'];
const OF_STOCKS: readonly string[] = [...STOCKS, 'level', 'levels', 'item', 'product', 'article', 'artikel'];
const SECRETS: readonly string[] = [
  'pin',
  'password',
  'passwort',
  'passwd',
  'pwd',
  'hash',
  'secret',
  'token',
];
const PRICES: readonly string[] = ['price', 'preis', 'cost', 'surcharge', 'kosten', 'prs', 'vk', 'ek'];

export function changeGuesses(
  { local, central }: TablePair,
  { stores, scope }: { readonly stores: string | null; readonly scope: TableScope },
): Pick<TableDraft, 'direction' | 'policy'> {
  const isTills =
    scope.scope.value.kind === 'via' || [...scope.set.values()].some(({ value }) => value === '$store');
  const both = {
    value: 'both' as const,
    why: isTills ? '' : 'tills may change it; where only head office does, say direction: push',
  };
  if (central.name === stores)
    return { direction: { value: 'push', why: 'head office enters its stores' }, policy: null };
  for (const name of [local.name, central.table]) {
    if (hasWord(name, ...EVIDENCE, ...PRINTED))
      return { direction: { value: 'pull', why: "by its name the till's own evidence" }, policy: null };
    if (hasWord(name, ...ENTRIES))
      return {
        direction: both,
        policy: { value: 'append-only', why: 'by its name entries that nobody changes' },
      };
  }
  return { direction: both, policy: null };
}

/** @returns why changes of the column are added up; null where they are compared */
export function deltaOf(
  { local: table }: TablePair,
  { local, central }: Pick<ColumnPair, 'local' | 'central'>,
  triggers: readonly string[],
): string | null {
  if (!['integer', 'numeric', 'float'].includes(typeShape(central.type).family)) return null;
  const adds = triggers.some((sql) => addsTo(sql, table.name, local.name));
  if (adds) return 'a trigger of the app adds to it';
  const isSum = (name: string) =>
    (hasWord(name, ...SUMS) || wordsOf(name).join('').includes('onhand')) && !hasWord(name, ...LEVELS);
  const isStock =
    hasWord(table.name, ...STOCKS) &&
    wordsOf(table.name).every((word) => OF_STOCKS.includes(word)) &&
    speaksOf(local.name, 'quantity');
  return isStock || isSum(local.name) || isSum(central.name)
    ? 'by its name a sum that both sides add to'
    : null;
}

function addsTo(sql: string, table: string, column: string): boolean {
  const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const [name, target] = [escape(column), escape(table)];
  const quote = '["`\\[\\]]?';
  const update = new RegExp(
    `\\bUPDATE\\s+${quote}${target}${quote}\\s+SET\\b[^;]*?\\b${name}${quote}\\s*=\\s*${quote}${name}${quote}\\s*[+-]`,
    'i',
  );
  return update.test(sql);
}

/** @returns lines that say which prices tills may change */
export function pricesOf({ local }: TablePair, columns: readonly ColumnPair[]): string[] {
  const isMaster =
    !local.columns.some(({ name }) => speaksOf(name, 'sold', 'paid')) &&
    local.foreignKeys.length < 4 &&
    !hasWord(
      local.name,
      'order',
      'orders',
      'line',
      'lines',
      'item',
      'items',
      'position',
      'positionen',
      'pos',
    );
  const prices = columns
    .filter(
      ({ local: { name }, central }) =>
        hasWord(name, ...PRICES) && ['numeric', 'float', 'integer'].includes(typeShape(central.type).family),
    )
    .map(({ local: { name } }) => name);
  if (prices.length === 0 || !isMaster) return [];
  return [
    `guessed: tills may change ${prices.join(', ')}; if only head office does, say columns: {${prices.map((name) => `${name}: {direction: push}`).join(', ')}}`,
  ];
}

export function secretsOf(
  columns: readonly ColumnPair[],
  references: ReadonlyMap<string, Said<ReferenceSaid>>,
): Said<string>[] {
  return columns
    .filter(
      ({ local, central }) =>
        hasWord(local.name, ...SECRETS) &&
        !references.has(local.name) &&
        ['text', 'char', 'bytes'].includes(typeShape(central.type).family),
    )
    .map(({ local }) => ({ value: local.name, why: 'by its name a secret' }));
}
