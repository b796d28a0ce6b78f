/** What tills and head office tell each other: rows have one delta column and two others. */
import type { Cut, Values } from '../../../../../services/terminal-agent/up/row-state.ts';

export const DELTA = 'stock';
export const OTHERS = ['a', 'b'] as const;

export interface Origin {
  readonly till: string;
  readonly incarnation: string;
  readonly change: number;
}

export type Down = { readonly at: number } & (
  | {
      readonly kind: 'row';
      readonly id: number;
      readonly image: Values | null;
      readonly origins: readonly Origin[];
    }
  | { readonly kind: 'link'; readonly till: string; readonly identity: string; readonly id: number }
  | {
      readonly kind: 'progress';
      readonly till: string;
      readonly incarnation: string;
      readonly change: number;
      /** Of them those that have no outcome yet. */
      readonly held: readonly number[];
    }
  | {
      readonly kind: 'refused';
      readonly till: string;
      readonly incarnation: string;
      readonly change: number;
    }
  | {
      readonly kind: 'accept';
      readonly till: string;
      readonly incarnation: string;
      readonly known: ReadonlySet<string>;
    }
);

export interface Change {
  readonly number: number;
  readonly identity: string;
  readonly id: number | null;
  readonly cut: Cut;
  /** Which it covers. */
  readonly entries: readonly string[];
  readonly atMs: number;
  /** What the model calls the row: survives whatever the till takes it for. */
  readonly thing: string;
}

export interface Unit {
  readonly incarnation: string;
  readonly number: number;
  readonly entries: readonly string[];
  readonly changes: readonly Change[];
}

export type Up = Unit | { readonly incarnation: string; readonly predecessor: string };
