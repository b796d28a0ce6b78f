/** A central row as it stands before a group of changes, and what is to be written of it. */
import type { Text } from './sql.ts';

/** Writer of a row that head office changed last. */
export const CENTRE = '';

/** A row as it stands, locked, with its clock and who wrote it last. */
export interface Standing {
  readonly values: ReadonlyMap<string, Text>;
  /** Of the row's texts, hex. */
  readonly hash: string;
  readonly clockMs: number;
  /** Terminal, or CENTRE. */
  readonly writer: string;
}

/** What is to be written of a row; at most one of each, an insert before a delete. */
export interface RowWrites {
  readonly insert: ReadonlyMap<string, Text> | null;
  readonly update: {
    readonly set: ReadonlyMap<string, Text>;
    readonly add: ReadonlyMap<string, Text>;
  } | null;
  readonly delete: boolean;
}
