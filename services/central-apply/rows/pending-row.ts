/**
 * One central row while the changes of a group are folded into it: what it holds by now, and which statements that
 * comes to, so that each names the row once whatever many changes there are. Decides nothing.
 */
import { addDecimals, isDecimal } from '../../shared/values/decimal.ts';
import type { RowWrites } from './standing.ts';
import type { Text } from './sql.ts';

export class PendingRow {
  readonly #stood: boolean;
  #current: Map<string, Text> | null;
  #inserted = false;
  #deleted = false;
  readonly #set = new Map<string, Text>();
  readonly #added = new Map<string, Text>();
  /** The row as it was deleted, should it come back in this group. */
  #ghost: Map<string, Text> | null = null;

  /** @param standing as it stood before the group; null: there was no row */
  constructor(standing: ReadonlyMap<string, Text> | null) {
    this.#stood = standing !== null;
    this.#current = standing === null ? null : new Map(standing);
  }

  /** Whether the row is there after the changes so far. */
  get exists(): boolean {
    return this.#current !== null;
  }

  /** As it will be left, as far as known here; null when deleted. */
  get current(): ReadonlyMap<string, Text> | null {
    return this.#current;
  }

  valueOf(column: string): Text {
    return this.#current?.get(column) ?? null;
  }

  get isWritten(): boolean {
    return this.#inserted || this.#deleted || this.#set.size > 0 || this.#added.size > 0;
  }

  get writes(): RowWrites | null {
    if (this.#inserted) return { insert: this.#current ?? this.#ghost, update: null, delete: this.#deleted };
    if (this.#deleted) return { insert: null, update: null, delete: true };
    if (!this.isWritten) return null;
    return { insert: null, update: { set: this.#set, add: this.#added }, delete: false };
  }

  /** @returns false where the row was deleted in this group and is back: one update of it, not two statements */
  insert(values: Map<string, Text>): boolean {
    if (!this.#stood && !this.#deleted) {
      this.#inserted = true;
      this.#current = values;
      return true;
    }
    this.#deleted = false;
    this.#current = this.#ghost ?? new Map();
    return false;
  }

  put(column: string, value: Text): void {
    this.#current?.set(column, value);
    if (this.#inserted) return;
    this.#set.set(column, value);
    this.#added.delete(column);
  }

  /** @param amount a decimal */
  add(column: string, amount: string): void {
    const current = this.valueOf(column) ?? '0';
    // Left alone where it is no plain decimal (NaN); the statement adds on the row itself.
    const sum = isDecimal(current) ? addDecimals(current, amount) : current;
    this.#current?.set(column, sum);
    if (this.#inserted) return;
    if (this.#set.has(column)) this.#set.set(column, sum);
    else this.#added.set(column, addDecimals(this.#added.get(column) ?? '0', amount));
  }

  remove(): void {
    this.#ghost = this.#current;
    this.#current = null;
    this.#deleted = true;
  }
}
