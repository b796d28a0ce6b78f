/**
 * Keys of rows that a till inserts later in the same group. An app whose database checks foreign keys late, or
 * not at all, may write a sale's lines before the sale, or two rows that refer to each other: what is referred
 * to is given its key before its turn comes.
 */
import { centralId, type CentralId } from '../../shared/records/change-record.ts';
import type { RowRef } from '../../shared/records/unit-record.ts';
import { rowName, tillRow, type Incoming, type IncomingUnit, type Rejections } from './change.ts';
import type { NewKeys } from './identity.ts';
import type { TableModel } from './model.ts';
import type { Text } from './sql.ts';

export interface ForetoldKey {
  readonly id: CentralId;
  /** Of the key columns. */
  readonly values: ReadonlyMap<string, Text>;
  readonly made: boolean;
}

/** What the till itself says of the key columns of a row that it inserts. */
export type KeyValues = (incoming: Incoming, table: TableModel) => Map<string, Text> | null;

export class ForetoldKeys {
  readonly #keys: NewKeys;
  readonly #keyValues: KeyValues;
  readonly #foretold = new Map<string, ForetoldKey>();
  #changes: readonly Incoming[] = [];
  #rejections: Rejections = new Map();
  /** By till row; made when it is first asked for, which is seldom. */
  #inserts: Map<string, Incoming> | null = null;

  constructor(keys: NewKeys, keyValues: KeyValues) {
    this.#keys = keys;
    this.#keyValues = keyValues;
  }

  begin(changes: readonly Incoming[], rejections: Rejections): void {
    this.#changes = changes;
    this.#rejections = rejections;
    this.#inserts = null;
  }

  /** What a row was promised when something before it referred to it. */
  get(tillRowName: string): ForetoldKey | undefined {
    return this.#foretold.get(tillRowName);
  }

  /** The key of a row that is not there yet; null where the till does not insert it in this group. */
  foretell(from: IncomingUnit, table: TableModel, target: RowRef): CentralId | null {
    const name = tillRow(from.terminal, table, rowName(target));
    const known = this.#foretold.get(name);
    if (known !== undefined) return known.id;
    this.#inserts ??= insertsOf(this.#changes, this.#rejections);
    const incoming = this.#inserts.get(name);
    // A key that holds a reference itself can be told only in its turn.
    if (
      incoming === undefined ||
      table.key.some((column) => (table.byCentral.get(column)?.parent ?? null) !== null)
    )
      return null;
    const values = this.#keyValues(incoming, table);
    const made = values === null ? null : this.#keys.complete(table, values);
    if (values === null || made === null) return null;
    const id = centralId(table.key.map((column) => values.get(column) ?? ''));
    this.#foretold.set(name, { id, values, made });
    return id;
  }
}

function insertsOf(changes: readonly Incoming[], rejections: Rejections): Map<string, Incoming> {
  const inserts = changes.filter(
    (incoming) => (incoming.change.op === 'c' || incoming.change.op === 'r') && !rejections.has(incoming),
  );
  return new Map(inserts.map((incoming) => [incoming.tillRow, incoming]));
}
