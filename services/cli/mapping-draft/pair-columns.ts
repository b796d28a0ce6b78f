/**
 * Which central column is a local one, and in which form: by their names, by what rows that both sides have hold there,
 * and by the tables that both refer to. Pure.
 *
 *   rows in common              | what decides
 *   ----------------------------+------------------------------------------------------------------------
 *   hold many different values  | the values; names only between columns of equal values
 *   hold few different values   | the names, and the values somewhat
 *   none                        | the names, and whether one type can hold the other's values
 *
 * A name that is the same on both sides holds against values that differ: a stock is seldom equal. Of what is left then,
 * both tables' keys are each other, and so are the only moments on either side.
 */
import type { CentralColumn } from '../../shared/catalog/central-catalog.ts';
import { typeShape } from '../../shared/catalog/central-types.ts';
import type { LocalColumn } from '../../shared/catalog/local-catalog.ts';
import { hasSurrogateKey } from '../../shared/catalog/table-binding.ts';
import {
  bestForm,
  formWords,
  timeForm,
  type Agreement,
  type ValuePair,
} from '../../shared/catalog/value-forms.ts';
import type { Bookkeeping } from './bookkeeping.ts';
import type { ColumnPair, TablePair } from './facts.ts';
import { formWithoutRows } from './form-by-values.ts';
import { nameLikeness, wordsOf } from './name-likeness.ts';
import type { Parents } from './parents.ts';
import { restOfKeys } from './rows-by-parents.ts';
import { isLinkName, isSyncState } from './sync-columns.ts';

/** What may stand behind a name and says only in which form values are. */
const FORM_WORDS: readonly string[] = ['cents', 'minor', 'ms', 'epoch', 'unix', 'utc'];
/** What the name of a reference may say beside what it refers to. */
const ID_WORDS: readonly string[] = ['id', 'key', 'fk'];
const SAME_NAME = 0.9;
const ENOUGH = 0.62;
/** Different values from which they tell columns apart. */
const MANY = 4;
/** Rows of both sides that are compared column by column. */
const COMPARED = 250;

interface Candidate {
  readonly local: LocalColumn;
  readonly central: CentralColumn;
  readonly fit: Agreement | null;
  readonly score: number;
  /** What speaks for it beside names and values. */
  readonly because: string | null;
}

/** @returns pairs in the order of the local columns; bookkeeping and generated columns are in none */
export function pairColumns(table: TablePair, parents: Parents, kept: Bookkeeping): ColumnPair[] {
  const locals = table.local.columns.filter(
    (column) => isData(table, column) && column.name !== kept.identity,
  );
  const centrals = table.central.columns.filter((column) => !column.generated);
  const candidates = locals.flatMap((local) =>
    centrals.flatMap((central) => candidate(table, parents, { local, central }) ?? []),
  );
  const taken = new Map<string, Candidate>();
  const filled = new Set<string>();
  const take = (found: Candidate) => {
    if (taken.has(found.local.name) || filled.has(found.central.name)) return;
    taken.set(found.local.name, found);
    filled.add(found.central.name);
  };
  for (const found of candidates.sort((a, b) => b.score - a.score)) if (found.score >= ENOUGH) take(found);
  const isFree = ({ local, central }: Columns) => !taken.has(local.name) && !filled.has(central.name);
  const rest = () => candidates.filter(isFree);
  for (const found of bothKeys(table, rest())) take(found);
  for (const found of restOfKey(table, [...taken.values()], rest())) take(found);
  for (const found of onlyMoments(table, rest())) take(found);
  return locals.flatMap(({ name }) => {
    const found = taken.get(name);
    return found === undefined ? [] : [columnPair(table, found)];
  });
}

interface Columns {
  readonly local: LocalColumn;
  readonly central: CentralColumn;
}

function isData({ local, central }: TablePair, { name, generated }: LocalColumn): boolean {
  if (generated || isSyncState(name)) return false;
  const isFilled = central.columns.some(
    (column) => column.name === name && column.notNull && column.defaultSql === null,
  );
  // The centre may have a column of that name for its own reasons, but no till's bookkeeping goes into it.
  return !isLinkName(name) || local.foreignKeys.some(({ columns }) => columns.includes(name)) || isFilled;
}

/**
 * A number of the till's own is none of the centre's numbers, unless that one is given by somebody as well: a
 * customer's number, a receipt's.
 */
function areOwnNumbers({ local: table, central: there }: TablePair, { local, central }: Columns): boolean {
  // One that is another table's number is none that is given here: a stock's, by its article.
  const isParents = table.foreignKeys.some(
    ({ columns, parent }) => columns[0] === local.name && parent !== table.name,
  );
  const isOwn = hasSurrogateKey(table) && table.key[0] === local.name && !isParents;
  const isMade = central.identity !== null || central.defaultSql !== null;
  if (isOwn) return isMade || there.foreignKeys.some(({ columns }) => columns.includes(central.name));
  return hasSurrogateKey(table) && isMade && there.key.length === 1 && there.key[0] === central.name;
}

/** @returns null where the two can't be each other */
function candidate(table: TablePair, parents: Parents, columns: Columns): Candidate | null {
  const { local, central } = columns;
  const here = parents.local(table, local.name)?.central.name ?? null;
  const there = parents.central(table, central.name);
  const context = [
    ...wordsOf(table.local.name),
    ...wordsOf(table.central.table),
    ...FORM_WORDS,
    ...(there === null ? [] : ID_WORDS),
  ];
  const likeness = nameLikeness(local.name, central.name, context);
  const nothing: Candidate = { local, central, fit: null, because: null, score: 0 };
  if (areOwnNumbers(table, columns)) return null;
  if (here !== null && there !== null && here !== there) return null;
  if (here !== null && here === there)
    return { ...nothing, because: `both refer to ${here}`, score: 0.8 + 0.2 * likeness };
  if (parents.declared(table, local.name) !== null || there !== null)
    return { ...nothing, score: SAME_NAME * likeness };
  if (!canHold(local, central)) return null;
  const pairs = valuePairs(table, columns);
  const fit = bestForm(columns, pairs);
  const different = new Set(pairs.flatMap((pair) => (pair.central === null ? [] : [pair.central]))).size;
  return { ...nothing, fit: fit.compared === 0 ? null : fit, score: score(likeness, fit, different) };
}

function valuePairs({ common: { rows } }: TablePair, { local, central }: Columns): ValuePair[] {
  const step = Math.ceil(rows.length / COMPARED);
  return rows
    .filter((_, at) => at % step === 0)
    .map((row) => ({ local: row.local[local.name] ?? null, central: row.central[central.name] ?? null }));
}

function score(likeness: number, { agree, compared }: Agreement, different: number): number {
  const byName = SAME_NAME * likeness;
  if (compared === 0 || different < 2) return byName;
  const share = agree / compared;
  const byValues = different < MANY ? 0.75 * likeness + 0.25 * share : 0.3 * likeness + 0.7 * share;
  // A value that differs in half of the rows is another thing, unless it bears the same name.
  if (share < 0.5) return likeness === 1 ? 0.7 : Math.min(byValues, byName) * 0.6;
  return byValues;
}

/** Types of which no value of the one is a value of the other. */
function canHold(local: LocalColumn, central: CentralColumn): boolean {
  const { family } = typeShape(central.type);
  const isNumber = local.affinity === 'INTEGER' || local.affinity === 'REAL';
  if (['uuid', 'json', 'array', 'bytes'].includes(family)) return !isNumber;
  if (family === 'boolean') return local.affinity !== 'REAL';
  return true;
}

/** Keys that somebody gives, where the names don't say it. */
function bothKeys({ local, central }: TablePair, rest: readonly Candidate[]): Candidate[] {
  if (local.key.length !== 1 || central.key.length !== 1) return [];
  const found = rest.find(
    (each) =>
      each.local.name === local.key[0] &&
      each.central.name === central.key[0] &&
      (each.fit === null || each.fit.agree > 0) &&
      typeShape(each.central.type).family === (each.local.affinity === 'TEXT' ? 'uuid' : 'integer'),
  );
  return found === undefined ? [] : [{ ...found, because: 'both are the key' }];
}

/** What is left of both keys: the number of a line, whatever it is called. */
function restOfKey(
  table: TablePair,
  taken: readonly Candidate[],
  candidates: readonly Candidate[],
): Candidate[] {
  const names = taken.map(({ local, central }) => ({ local: local.name, central: central.name }));
  const rest = restOfKeys(table, names);
  const found = candidates.find(
    ({ local, central, fit }) =>
      local.name === rest?.local && central.name === rest.central && (fit === null || fit.agree > 0),
  );
  return found === undefined ? [] : [{ ...found, because: 'what is left of both keys' }];
}

function onlyMoments({ localRows }: TablePair, rest: readonly Candidate[]): Candidate[] {
  const isTime = ({ local, central }: Candidate) => {
    const { family } = typeShape(central.type);
    if (family !== 'timestamp' && family !== 'timestamptz') return false;
    const values = localRows.map((row) => row[local.name] ?? null);
    return values.some((value) => value !== null) && timeForm(values, local, central).format !== undefined;
  };
  const times = rest.filter((found) => isTime(found) && found.fit === null);
  const [only, ...others] = times;
  return only === undefined || others.length > 0
    ? []
    : [{ ...only, because: 'the only moments left on either side' }];
}

function columnPair(table: TablePair, { local, central, fit, because }: Candidate): ColumnPair {
  const agrees = fit !== null && fit.agree > 0 && 2 * fit.agree >= fit.compared;
  const guess = agrees ? null : formWithoutRows(table, { local, central });
  const form = agrees ? fit.options : (guess?.value ?? {});
  const compared = fit === null ? '' : `${fit.agree} of ${fit.compared} sampled values agree`;
  const isPlain = local.name === central.name;
  const differs = fit !== null && !agrees ? [`though only ${compared}`] : [];
  const said = formWords(form);
  const reasons = [
    ...(because !== null
      ? [because]
      : agrees
        ? [compared]
        : isPlain
          ? differs
          : ['by the names', ...differs]),
    ...(said === '' || agrees ? [] : [guess?.why ?? '']),
  ].filter((text) => text !== '');
  const isDoubtless = isPlain && said === '' && differs.length === 0;
  return { local, central, form, agrees, why: isDoubtless ? '' : [...new Set(reasons)].join('; ') };
}
