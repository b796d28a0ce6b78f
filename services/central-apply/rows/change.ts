/** A till's change on its way through the stages: as it came, as resolved, and what became of it. */
import type { CentralId, Outcome } from '../../shared/records/change-record.ts';
import type { RowRef, Unit, UnitChange } from '../../shared/records/unit-record.ts';
import type { TableModel } from './model.ts';
import type { WrittenAt } from './row-version.ts';
import type { Text } from './sql.ts';

/** A unit with what its record said about it. */
export interface IncomingUnit {
  readonly terminal: string;
  readonly storeId: string;
  readonly incarnation: string;
  /** The till was enrolled at this very database, so central ids it names mean ours. */
  readonly trusted: boolean;
  /** When the log received it: no clock of a till may be later. */
  readonly receivedAtMs: number;
  /** An operator who retries a refused part may lend it the right to change what a till may not. */
  readonly lentAuthority: boolean;
  /** Where its signed record stands in the up topic; none for one that was held. */
  readonly source?: { readonly partition: number; readonly offset: number } | undefined;
  /** The till has open dead letters: what it writes now may overtake them. */
  readonly openLetters?: boolean | undefined;
  /** Of the record. */
  readonly mappingVersion?: number | undefined;
  readonly unit: Unit;
  /** Changes that came in an earlier incarnation and are not in `unit` any more: only answered again. */
  readonly known?: readonly KnownChange[] | undefined;
  /** Changes that may have come so long ago that nobody knows: see hand-over.ts. */
  readonly forgotten?: ReadonlySet<UnitChange> | undefined;
}

/** What was answered to a change, as the outcome row keeps it. */
export interface KnownChange {
  readonly seq: number;
  readonly table: string;
  readonly id: CentralId | null;
  readonly outcome: Outcome;
  readonly hash: string;
}

/** One change and the unit it belongs to. */
export interface Incoming {
  readonly from: IncomingUnit;
  readonly change: UnitChange;
  /** null: the centre does not map that table. */
  readonly table: TableModel | null;
  /** The row among those of all tills; made once, since every stage looks rows up by it. */
  readonly tillRow: string;
  readonly converted: Converted;
}

/** Why a change is not applied; a dead letter says so. */
export interface Rejection {
  /** SQLSTATE, SUPPRESSED, KEY_CHANGED or one of our codes. */
  readonly code: string;
  readonly constraint: string | null;
  readonly message: string;
  /** What PostgreSQL refused: central table and kind of write. */
  readonly table?: string | undefined;
  readonly kind?: string | undefined;
  /** The change is about a row of another store. */
  readonly isForeign?: boolean | undefined;
}

/** The stored values of a change as PostgreSQL reads them, or why one of them cannot be. */
export type Converted = {
  /** Of the change as it came. */
  readonly hash: string;
} & (
  | {
      /** By place in the change's columns; null also for columns that are not mapped, and for references. */
      readonly texts: readonly Text[];
      /** Old values, by central column, as far as they are needed or can be compared. */
      readonly before: ReadonlyMap<string, Text>;
    }
  | { readonly unfit: string }
);

export type Rejections = Map<Incoming, Rejection>;

/**
 * insert  a row new to the centre (or in place of one that the till itself just deleted)
 * offer   bootstrap's `r`: inserted if missing, else only linked
 * repeat  an insert that was applied before
 * fill    an update that takes nothing away from anybody; see fill.ts
 */
export type ResolvedKind = 'insert' | 'offer' | 'repeat' | 'update' | 'fill' | 'delete';

/**
 * allocated  made here for an insert: no row has it yet
 * carried    the till brings the key in its columns
 * link       known by a link, by an earlier insert of this group, or by the till for an update or delete
 * till       named by the till for a row it offers; to be believed only if the natural key agrees
 */
export type IdSource = 'allocated' | 'carried' | 'link' | 'till';

/** A change whose rows and references are known at the centre, with values as PostgreSQL reads them. */
export interface ResolvedChange {
  readonly incoming: Incoming;
  readonly table: TableModel;
  readonly kind: ResolvedKind;
  readonly terminal: string;
  /** Central row. Of an insert: allocated, carried, or that of the row it turned out to be. */
  id: CentralId;
  readonly idFrom: IdSource;
  /** The till has, or gets, a link to the row that it named; of an insert that met a row: it had one before. */
  linked: boolean;
  readonly clockMs: number;
  /** Number in the till's outbox. */
  readonly seq: number;
  /** Up to where in the central order the till had seen the row when it changed it. */
  readonly image: SeenUpTo;
  /** New values by central column, references included. */
  readonly next: Map<string, Text>;
  /** Old values, as far as they are needed or can be compared. */
  readonly before: ReadonlyMap<string, Text>;
  /** References in `next`: to be rewritten when the parent turns out to be another row. */
  readonly references: readonly ResolvedReference[];
}

/** `unknown`: an older agent does not say. */
export type SeenUpTo = WrittenAt | 'unknown' | 'beyond horizon';

export interface ResolvedReference {
  readonly column: string;
  readonly parent: TableModel;
  readonly id: CentralId;
  /** By a link, or by an insert of this till in this group. */
  readonly linked: boolean;
}

/** What became of a change. */
export interface Verdict {
  readonly outcome: Outcome;
  /** Whose values were given up, and by which rule: this was a conflict. */
  readonly discarded: Discarded | null;
}

export interface Discarded {
  readonly winner: 'central' | 'terminal';
  readonly rule: string;
}

/**
 * Names a till row among those of its table: by its identity, or by the central row for one that came from the
 * centre and never got an identity of its own.
 */
export function rowName({ identity, centralId }: RowRef): string {
  return identity === '' ? `\0${centralId}` : identity;
}

/** Names a till row among those of all tills. */
export function tillRow(terminal: string, table: TableModel, name: string): string {
  return `${terminal}\0${table.name}\0${name}`;
}

/** Names a central row. */
export function centralRow(table: TableModel, id: CentralId): string {
  return `${table.name}\0${id}`;
}
