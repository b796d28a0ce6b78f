/** Rows that do not come from the WAL, in the form of those that do. */
import { centralIdParts, type CentralId } from '../../shared/records/change-record.ts';
import { NULL_LENGTH, Tuple } from './pgoutput-decoder.ts';
import type { Route } from '../routing/routes.ts';

/** @param texts as PostgreSQL prints them, in the relation's column order */
export function tupleOf(texts: readonly (string | null)[]): Tuple {
  const tuple = new Tuple(texts.length);
  tuple.count = texts.length;
  tuple.bytes = Buffer.from(texts.map((text) => text ?? '').join(''));
  let at = 0;
  for (const [column, text] of texts.entries()) {
    const length = text === null ? NULL_LENGTH : Buffer.byteLength(text);
    tuple.starts[column] = at;
    tuple.lengths[column] = length;
    at += Math.max(0, length);
  }
  return tuple;
}

/** A row given by column name; columns that are not named are NULL. */
export function tupleOfColumns(route: Route, texts: Readonly<Record<string, string | null>>): Tuple {
  return tupleOf(route.relation.columns.map((column) => texts[column.name] ?? null));
}

/** Only the key columns are set. */
export function keyTuple(route: Route, id: CentralId): Tuple {
  const parts = centralIdParts(id, route.table.key.length);
  return tupleOfColumns(
    route,
    Object.fromEntries(route.table.key.map((name, index) => [name, parts[index] ?? null])),
  );
}
