/** payflow.db and the agent file as the model has them. */
import type { Entry } from '../../../../../services/terminal-agent/up/entries.ts';
import type { Value, Values } from '../../../../../services/terminal-agent/up/row-state.ts';
import type { Change } from './records.ts';

/** What the centre said of a row and is not written yet. */
export interface Waiting {
  /** null: it is gone there; undefined: only answers came. */
  readonly image: Values | null | undefined;
  readonly at: number;
  /** Changes, as `incarnation number`. */
  readonly answers: readonly string[];
  /** Those of them that the centre has not taken. */
  readonly refused: readonly string[];
}

/** sync_row. */
export interface KeptRow {
  readonly identity: string;
  id: number | null;
  key: string | null;
  base: Values | null;
  mark: 'deleted' | 'refused' | null;
  at: number;
  waiting: Waiting | null;
  /** A part of what is not cut was counted before a hand-over, and which values with it can't be said. */
  isBlind: boolean;
}

export interface TillFile {
  readonly rows: Map<string, Map<string, Value>>;
  /** What the model calls the row under a key. */
  readonly things: Map<string, string>;
  /** The same by the entry of its insert. */
  readonly thingOf: Map<string, string>;
  entries: Entry[];
  /** Which row each entry up to `keyed` is of. */
  readonly rowOf: Map<string, string>;
  /** Rows whose place was taken, with the entry of whoever took it. */
  readonly ousted: Map<string, Entry>;
  lastSeq: number;
  readonly kept: Map<string, KeptRow>;
  /** Keys are kept as of this entry. */
  keyed: number;
  /** Of the down stream. */
  readTo: number;
  /** Changes whose outcome is known, as `incarnation number`. */
  readonly settled: Set<string>;
  /** Entries of settled units. */
  readonly done: Set<string>;
  nextKey: number;
  /** Entries up to here may have been cut by an agent file that is lost, before the base moved. */
  blindTo: number;
  /** When it was last looked at with its triggers in place. */
  lookedAtMs: number;
  areTriggersOn: boolean;
  /** Triggers were away when the agent file went. */
  hasUnseen: boolean;
}

export interface CutUnit {
  readonly incarnation: string;
  readonly number: number;
  entries: readonly string[];
  changes: readonly Change[];
  /** Made of what the centre knew at a hand-over: never published. */
  readonly isAdopted: boolean;
}

export interface AgentFile {
  readonly incarnation: string;
  units: CutUnit[];
  lastUnit: number;
  lastChange: number;
  published: number;
  /** Where a till settles that does not hold to the rule. */
  readonly settled: Set<string>;
  /** Waits for the centre to accept this incarnation. */
  announcement: { isAdopted: boolean } | null;
}

export function newTillFile(): TillFile {
  return {
    rows: new Map(),
    things: new Map(),
    thingOf: new Map(),
    entries: [],
    rowOf: new Map(),
    ousted: new Map(),
    lastSeq: 0,
    kept: new Map(),
    keyed: 0,
    readTo: 0,
    settled: new Set(),
    done: new Set(),
    nextKey: 1,
    blindTo: 0,
    lookedAtMs: 0,
    areTriggersOn: true,
    hasUnseen: false,
  };
}

export function newAgentFile(incarnation: string): AgentFile {
  return {
    incarnation,
    units: [],
    lastUnit: 0,
    lastChange: 0,
    published: 0,
    settled: new Set(),
    announcement: null,
  };
}
