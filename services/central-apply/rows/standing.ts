/** A central row as it stands before a group of changes, and what is to be written of it. */
import type { RowVersion } from './row-version.ts';
import type { Text } from './sql.ts';

/** Writer of a row that head office changed last. */
export const CENTRE = '';

/** A row as it stands, locked, with who wrote it and when. */
export interface Standing {
  readonly values: ReadonlyMap<string, Text>;
  /** Of the row's texts but those of amounts and of the timestamp, hex. */
  readonly hash: string;
  readonly version: RowVersion;
  /** Whether it stands as our last transaction left it. */
  readonly isOurs: boolean;
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
