/** What all parts of a till's agent know and do: which entries are cut, what is in flight, what a row should be. */
import type { Entry, Sums } from '../../../../../services/terminal-agent/up/entries.ts';
import {
  judge,
  type ColumnRules,
  type RowState,
  type Value,
} from '../../../../../services/terminal-agent/up/row-state.ts';
import { enter } from './app.ts';
import type { Centre } from './centre.ts';
import { DELTA, type Change } from './records.ts';
import { foldFile, keepKeys } from './kept-rows.ts';
import type { Random } from './random.ts';
import type { Rule } from './rules.ts';
import { newAgentFile, newTillFile, type AgentFile, type CutUnit, type TillFile } from './till-file.ts';

export const RULES: ColumnRules = {
  isDelta: (column) => column === DELTA,
  isEqual: (_column, a, b) => a === b,
};

export interface TillParts {
  readonly centre: Centre;
  readonly random: Random;
  readonly edits: Map<string, number>;
  /** A rule that this till does not hold to. */
  readonly without: Rule | null;
}

export class TillState {
  file: TillFile = newTillFile();
  agent: AgentFile;
  /** By chance an image can't be written. */
  parks = false;
  readonly name: string;
  readonly centre: Centre;
  readonly random: Random;
  readonly #without: Rule | null;

  constructor(name: string, { centre, random, without }: TillParts) {
    this.name = name;
    this.centre = centre;
    this.random = random;
    this.#without = without;
    this.agent = newAgentFile(this.newName());
  }

  /** Whether the till holds to it. */
  keeps(rule: Rule): boolean {
    return this.#without !== rule;
  }

  newName(): string {
    return `i${Math.floor(this.random.next() * 1e12).toString(36)}`;
  }

  get isAnnouncing(): boolean {
    return this.agent.announcement !== null;
  }

  get uncut(): Entry[] {
    const cut = new Set(this.agent.units.flatMap(({ entries }) => entries));
    return this.file.entries.filter(({ id }) => !cut.has(id) && !this.file.done.has(id));
  }

  /** The file does not hold what was cut from it last. */
  get isInDoubt(): boolean {
    const last = this.agent.units.findLast(({ isAdopted }) => !isAdopted)?.entries.at(-1);
    return last !== undefined && !this.file.entries.some(({ id }) => id === last);
  }

  /** A look sees in its snapshot that the triggers are away. */
  get isUnwatched(): boolean {
    return !this.file.areTriggersOn && this.keeps('nothing is cut or written while triggers are away');
  }

  /** As far as all is cut; during a hand-over nothing is, and all are kept. */
  keepKeys(): void {
    const uncut = this.isAnnouncing ? undefined : this.uncut[0]?.seq;
    keepKeys(this.file, uncut === undefined ? this.file.lastSeq : uncut - 1);
  }

  stateOf(identity: string): RowState {
    const kept = this.file.kept.get(identity);
    return {
      base: kept?.base ?? null,
      mark: kept?.mark ?? null,
      isLinked: (kept?.id ?? null) !== null,
      flight: this.flight(identity).map(({ cut }) => cut),
    };
  }

  flight(identity: string): Change[] {
    return this.agent.units.flatMap((unit) =>
      unit.changes.filter((change) => change.identity === identity && !this.isSettled(unit, change)),
    );
  }

  isSettled({ incarnation }: CutUnit, { number }: Change): boolean {
    return this.settled.has(this.answerTo(incarnation, number));
  }

  get settled(): Set<string> {
    return this.keeps('settled stands in the file') ? this.file.settled : this.agent.settled;
  }

  /** Answers outlive the agent file that the changes were in. */
  answerTo(incarnation: string, number: number): string {
    return this.keeps('answers name the incarnation') ? `${incarnation} ${number}` : `${number}`;
  }

  nameOf({ number }: Change): string {
    return this.answerTo(this.agent.incarnation, number);
  }

  own(): CutUnit[] {
    return this.agent.units.filter(
      ({ incarnation, isAdopted }) => incarnation === this.agent.incarnation && !isAdopted,
    );
  }

  /** As it is read: a copy. */
  rowAt(key: string): ReadonlyMap<string, Value> | null {
    const row = this.file.rows.get(key);
    return row === undefined ? null : new Map(row);
  }

  /** Rows of which something is not cut, by identity. */
  touched(): ReadonlySet<string> {
    const ids = new Set(this.uncut.map(({ id }) => id));
    const isUncut = ({ id }: Entry) => ids.has(id);
    const rows = foldFile(this.file).filter(
      ({ entries, ousted }) => entries.some(isUncut) || (ousted !== null && isUncut(ousted)),
    );
    return new Set(rows.map(({ identity }) => identity));
  }

  /** @returns whether the row is not as it should be, which an entry now says */
  find(
    identity: string,
    key: string | null,
    entries: { uncut: Sums | null; inserted?: Sums | null },
  ): boolean {
    if (key === null) return false;
    const row = this.file.rows.get(key) ?? null;
    const judged = judge(this.stateOf(identity), { row, ...entries }, RULES);
    if (judged.kind === 'clean') return false;
    this.enter(judged.op, key, judged.sums);
    return true;
  }

  enter(op: 'c' | 'u' | 'd', key: string, sums: Sums): void {
    const deltas = new Map([...sums].map(([column, amount]) => [column, { old: '0', new: amount }]));
    if (op === 'c') deltas.set(DELTA, { old: '0', new: this.file.rows.get(key)?.get(DELTA) ?? '0' });
    const atMs = this.file.lookedAtMs;
    enter(this.file, this.random, { op, key, keyBefore: null, atMs, deltas });
  }
}
