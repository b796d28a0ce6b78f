/**
 * What a till knew of a row when it changed it, column by column; with `granularity: row`, and for deletes, of the whole
 * row. Pure. Amounts and the timestamp say nothing of a whole row: stock moves all day.
 */
import type { ResolvedChange } from './change.ts';
import type { ColumnFacts, Saw } from './column-verdict.ts';
import type { TableModel } from './model.ts';
import { isBehind, isLater, latestOf, versionOf, type RowVersion, type ValueVersion } from './row-version.ts';
import { isWrittenAlready, sameValue } from './same-value.ts';
import type { Text } from './sql.ts';
import { CENTRE } from './standing.ts';

/** What a verdict asks of who knew and wrote what, and when. */
export type Knowledge = Pick<ColumnFacts, 'saw' | 'isDoubtful' | 'isOwn' | 'wins'>;

/** The row as it is when the change comes. */
export interface MetRow {
  readonly table: TableModel;
  valueIn(column: string): Text;
  readonly version: RowVersion;
}

export function knownOfColumn(
  change: ResolvedChange,
  column: string,
  before: ReadonlyMap<string, Text>,
  row: MetRow,
): Knowledge {
  const standing = versionOf(row.version, column);
  return {
    saw: sawColumn(change, column, before, row),
    isDoubtful: isDoubtful(change, standing),
    isOwn: standing.writer === change.terminal,
    wins: isWinner(change, standing),
  };
}

/** @param next what it sends: of an insert that met the row, these are what it compares with */
export function knownOfRow(
  change: ResolvedChange,
  next: ReadonlyMap<string, Text>,
  before: ReadonlyMap<string, Text>,
  row: MetRow,
): Knowledge {
  const latest = latestOf(row.version);
  return {
    saw: sawRow(change, next, before, row),
    isDoubtful: comparedColumns(row.table).some((column) =>
      isDoubtful(change, versionOf(row.version, column)),
    ),
    isOwn: latest.writer === change.terminal,
    wins: isWinner(change, latest),
  };
}

/** A till never loses against its own last write: it knew that when it made this one. */
export function isWinner({ terminal, clockMs }: ResolvedChange, standing: ValueVersion): boolean {
  return standing.writer === terminal || isLater({ writer: terminal, clockMs }, standing);
}

/** What it sends stands there already. */
export function isThere(row: MetRow, column: string, value: Text): boolean {
  const model = row.table.central.get(column);
  const current = row.valueIn(column);
  return model === undefined ? current === value : isWrittenAlready(model, current, value);
}

export function isSame({ central }: TableModel, column: string, a: Text, b: Text): boolean {
  const model = central.get(column);
  return model === undefined ? a === b : sameValue(model, a, b);
}

function sawColumn(
  { kind }: ResolvedChange,
  column: string,
  before: ReadonlyMap<string, Text>,
  row: MetRow,
): Saw {
  const current = row.valueIn(column);
  const known = before.get(column);
  if (known !== undefined) return isSame(row.table, column, current, known) ? 'standing' : 'another';
  if (kind !== 'insert') return 'unknown';
  return current === null ? 'nothing' : 'another';
}

function sawRow(
  change: ResolvedChange,
  next: ReadonlyMap<string, Text>,
  before: ReadonlyMap<string, Text>,
  row: MetRow,
): Saw {
  const compared = new Set(comparedColumns(row.table));
  const met = change.kind === 'insert' ? [...next] : [];
  const other = met.filter(([column, value]) => !before.has(column) && !isThere(row, column, value));
  const named = [...before.keys(), ...other.map(([column]) => column)].filter((column) =>
    compared.has(column),
  );
  const saw = new Set(named.map((column) => sawColumn(change, column, before, row)));
  const [first = 'unknown'] = (['another', 'standing', 'nothing'] as const).filter((each) => saw.has(each));
  return first;
}

/** What stands may be what the till saw, and not the same writing of it. */
function isDoubtful({ image, terminal }: ResolvedChange, standing: ValueVersion): boolean {
  if (image === 'beyond horizon') return true;
  const { writer } = standing;
  if (image === 'unknown' || writer === CENTRE || writer === terminal) return false;
  return isBehind(standing, image);
}

function comparedColumns({ columns, timestampColumn, byCentral, policy }: TableModel): string[] {
  return columns.filter(
    (column) => column !== timestampColumn && (byCentral.get(column)?.policy ?? policy) !== 'delta',
  );
}
