/** In which form a till keeps a column's values, where no row is known to be on both sides. Pure. */
import type { CentralColumn } from '../../shared/catalog/central-catalog.ts';
import { typeShape } from '../../shared/catalog/central-types.ts';
import type { LocalColumn } from '../../shared/catalog/local-catalog.ts';
import { timeForm } from '../../shared/catalog/value-forms.ts';
import type { ColumnOptions } from '../../shared/mapping/mapping.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { utf8Text } from '../../shared/values/charset.ts';
import type { Said, TablePair } from './facts.ts';
import { hasWord, speaksOf } from './name-likeness.ts';

interface Columns {
  readonly local: LocalColumn;
  readonly central: CentralColumn;
}

const MONEY: readonly string[] = [
  'price',
  'amount',
  'total',
  'subtotal',
  'cost',
  'tax',
  'discount',
  'tendered',
  'paid',
  'surcharge',
  'fee',
  'tip',
  'cash',
];
const NO_MONEY: readonly string[] = ['quantity', 'rate', 'percent', 'weight', 'count', 'points', 'stock'];

/** @returns the options, and why; nothing to be said for values that need no form */
export function formWithoutRows(
  { localRows, centralRows }: TablePair,
  columns: Columns,
): Said<ColumnOptions> {
  const { local, central } = columns;
  const values = localRows.map((row) => row[local.name] ?? null).filter((value) => value !== null);
  const { family } = typeShape(central.type);
  const emptied = withEmpty(values, family);
  switch (family) {
    case 'timestamp':
    case 'timestamptz':
    case 'date': {
      const form = timeForm(values, local, central);
      const from =
        values.length > 0
          ? `${values.length} sampled values look like it`
          : `no values; ${local.declaredType || 'no type'} against ${central.type}`;
      return { value: { ...form, ...emptied }, why: form.format === undefined ? '' : from };
    }
    case 'numeric':
    case 'float': {
      const money = cents(
        columns,
        values,
        centralRows.map((row) => row[central.name] ?? null),
      );
      return money === null
        ? { value: emptied, why: '' }
        : { value: { ...money.value, ...emptied }, why: money.why };
    }
    case 'text':
    case 'char':
      return oldLetters(values);
    case 'integer':
    case 'boolean':
    case 'bytes':
    case 'uuid':
    case 'json':
    case 'array':
      return { value: emptied, why: '' };
  }
}

/** Empty texts for what is no text. */
function withEmpty(values: readonly SqliteValue[], family: string): ColumnOptions {
  return values.includes('') && family !== 'text' && family !== 'char' ? { emptyIsNull: true } : {};
}

function oldLetters(values: readonly SqliteValue[]): Said<ColumnOptions> {
  const bytes = values.filter((value) => Buffer.isBuffer(value) && utf8Text(value) === null).length;
  if (bytes === 0) return { value: {}, why: '' };
  return {
    value: { charset: 'windows-1252' },
    why: `${bytes} of ${values.length} sampled texts are no UTF-8`,
  };
}

/** Whole numbers for what has digits after the point at the centre. */
function cents(
  { local, central }: Columns,
  values: readonly SqliteValue[],
  standing: readonly (string | null)[],
): Said<ColumnOptions> | null {
  const { scale, family } = typeShape(central.type);
  const units = scale ?? (family === 'float' ? 2 : 0);
  const isWhole = values.every((value) => typeof value === 'bigint' || Number.isInteger(Number(value)));
  if (units <= 0 || units > 9 || !isWhole) return null;
  const said = { minorUnits: units };
  if (hasWord(local.name, 'cent', 'minor'))
    return { value: said, why: `its name, and whole numbers against ${central.type}` };
  const ratio =
    middle(values.map(Number)) / middle(standing.flatMap((text) => (text === null ? [] : [Number(text)])));
  if (Number.isFinite(ratio) && values.length >= 10)
    return ratio > 10 ** units / 5
      ? { value: said, why: `its values are about ${Math.round(ratio)} times those of ${central.name}` }
      : null;
  const isMoney = speaksOf(local.name, ...MONEY) && !hasWord(local.name, ...NO_MONEY);
  if (local.affinity !== 'INTEGER' || !isMoney) return null;
  return { value: said, why: `whole numbers against ${central.type}` };
}

function middle(values: readonly number[]): number {
  const sorted = values
    .map(Math.abs)
    .filter((value) => value > 0)
    .sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
