/** A till's agent on a small file: it looks, cuts, publishes, reads and settles by the rules under test. */
import { NO_SUMS, sumsOf, type Entry, type Sums } from '../../../../../services/terminal-agent/up/entries.ts';
import {
  decideCut,
  judge,
  settledBase,
  shown,
  type ColumnRules,
  type RowState,
  type Value,
} from '../../../../../services/terminal-agent/up/row-state.ts';
import { adoptedChanges } from './adopting.ts';
import { App, enter, type AppFaults } from './app.ts';
import { DELTA, type Centre, type Change, type Down, type Unit } from './centre.ts';
import type { Random } from './random.ts';
import {
  newAgentFile,
  newTillFile,
  type AgentFile,
  type CutUnit,
  type KeptRow,
  type TillFile,
} from './till-file.ts';
import { foldFile, keepKeys, keptOf, thingOf, type FoldedRow } from './kept-rows.ts';

const RULES: ColumnRules = { isDelta: (column) => column === DELTA, isEqual: (_column, a, b) => a === b };

export class Till {
  readonly app: App;
  file: TillFile = newTillFile();
  agent: AgentFile;
  /** By chance an image can't be written. */
  parks = false;
  readonly #name: string;
  readonly #centre: Centre;
  readonly #random: Random;
  #copy: TillFile | null = null;

  constructor(name: string, parts: { centre: Centre; random: Random; edits: Map<string, number> }) {
    this.#name = name;
    this.#centre = parts.centre;
    this.#random = parts.random;
    this.app = new App(name, parts.random, parts.edits);
    this.agent = newAgentFile(this.#newName());
    parts.centre.register(name, this.agent.incarnation);
  }

  work(nowMs: number, faults: AppFaults): void {
    this.app.work(this.file, nowMs, faults);
  }

  get isAnnouncing(): boolean {
    return this.agent.announcement !== null;
  }

  get uncut(): Entry[] {
    const cut = new Set(this.agent.units.flatMap(({ entries }) => entries));
    return this.file.entries.filter(({ id }) => !cut.has(id) && !this.file.done.has(id));
  }

  /** All that is new becomes a unit. */
  cut(nowMs: number): void {
    const ids = new Set(this.uncut.map(({ id }) => id));
    if (this.app.areTriggersOn) this.file.lookedAtMs = nowMs;
    if (this.isAnnouncing || this.isInDoubt || ids.size === 0) return;
    const changes: Change[] = [];
    for (const folded of foldFile(this.file)) {
      const change = this.#changeOf(folded, (entry) => ids.has(entry.id));
      if (change !== null) changes.push(change);
    }
    this.agent.lastUnit += 1;
    const { incarnation, lastUnit } = this.agent;
    this.agent.units.push({ incarnation, number: lastUnit, entries: [...ids], changes, isAdopted: false });
  }

  #changeOf(
    { identity, key, entries, ousted }: FoldedRow,
    isUncut: (entry: Entry) => boolean,
  ): Change | null {
    const mine = entries.filter(isUncut);
    const last = mine.at(-1) ?? (ousted !== null && isUncut(ousted) ? ousted : undefined);
    if (last === undefined) return null;
    const row = key === null ? null : this.#rowAt(key);
    const isBlind =
      this.file.kept.get(identity)?.isBlind === true || mine.some(({ seq }) => seq <= this.file.blindTo);
    const uncut = { row, sums: sumsOf(entries, isUncut), isBlind };
    const cut = decideCut(this.#state(identity), uncut, RULES);
    if (cut === null) return null;
    this.agent.lastChange += 1;
    const kept = this.file.kept.get(identity);
    const covered = mine.map(({ id }) => id);
    return {
      number: this.agent.lastChange,
      identity,
      id: kept?.id ?? null,
      cut,
      atMs: last.atMs,
      thing: thingOf(this.file, identity),
      entries: covered,
    };
  }

  publish(): void {
    if (this.isAnnouncing) return;
    for (const unit of this.#own().filter(({ number }) => number > this.agent.published)) {
      this.#send(unit);
      if (this.#random.happens(0.2)) return;
      this.agent.published = unit.number;
    }
    const own = this.#own();
    if (own.length > 0 && this.#random.happens(0.1)) this.#send(this.#random.pick(own));
  }

  resend(): void {
    if (this.isAnnouncing) return;
    for (const unit of this.#own()) {
      const isOpen = unit.changes.some((change) => !this.#isSettled(unit, change));
      if (isOpen && unit.number <= this.agent.published) this.#send(unit);
    }
  }

  /** One transaction of the apply side. */
  read(most: number): void {
    if (this.agent.announcement?.isAdopted === false) this.#readAcceptance();
    if (this.isInDoubt || this.agent.announcement?.isAdopted === false) return;
    this.#keepKeys();
    let left = most;
    for (const record of this.#centre.stream) {
      if (record.at <= this.file.readTo) continue;
      if (left === 0) break;
      left -= 1;
      this.#take(record);
      this.file.readTo = record.at;
    }
    this.#writeWaiting();
    this.#purge();
  }

  /** What differs from what it should be, without an entry, gets one. */
  sweep(): void {
    if (this.isAnnouncing) return;
    this.#keepKeys();
    const folded = new Map(foldFile(this.file).map((row) => [row.identity, row]));
    const keys = new Set([...folded.values()].map(({ key }) => key));
    const ids = new Set(this.uncut.map(({ id }) => id));
    for (const kept of this.file.kept.values()) {
      const row = folded.get(kept.identity);
      const key = row === undefined ? kept.key : row.key;
      keys.add(key);
      const isUncut = row?.entries.some(({ id }) => ids.has(id)) === true;
      this.#find(kept, key, isUncut ? sumsOf(row?.entries ?? [], ({ id }) => ids.has(id)) : null);
    }
    for (const key of this.file.rows.keys()) if (!keys.has(key)) this.#enter('c', key, NO_SUMS);
  }

  backup(): void {
    this.#copy = structuredClone(this.file);
    this.app.deeds.soldAtCopy = this.app.deeds.sold.length;
  }

  /** The file is an older one again. */
  restore(): void {
    if (this.#copy === null || this.isAnnouncing) return;
    for (const unit of this.#own().filter(({ number }) => number > this.agent.published)) this.#send(unit);
    const last = this.agent.units.at(-1);
    const isQuiet =
      this.#copy.lastSeq === this.file.lastSeq &&
      last !== undefined &&
      !last.isAdopted &&
      this.#copy.entries.some(({ id }) => id === last.entries.at(-1));
    this.#forgetUnsent(this.#copy);
    this.file = structuredClone(this.#copy);
    if (!isQuiet) this.loseAgentFile();
  }

  /** What was sold of a row that came and went in one unit is gone with the file that the row comes back with. */
  #forgetUnsent({ things, kept }: TillFile): void {
    const { deeds } = this.app;
    const sent = new Set(this.agent.units.flatMap(({ changes }) => changes.map(({ thing }) => thing)));
    for (const { id, identity } of kept.values()) if (id !== null) sent.add(thingOf(this.file, identity));
    const unsent = new Set([...things.values()].filter((thing) => !sent.has(thing)));
    deeds.sold = deeds.sold.filter(({ thing }, at) => at < deeds.soldAtCopy || !unsent.has(thing));
  }

  loseAgentFile(): void {
    if (this.isAnnouncing) return;
    this.file.blindTo = this.file.lastSeq;
    const predecessor = this.agent.incarnation;
    this.agent = newAgentFile(this.#newName());
    this.agent.announcement = { isAdopted: false };
    this.#centre.up.get(this.#name)?.push({ incarnation: this.agent.incarnation, predecessor });
  }

  /** The file does not hold what was cut from it last. */
  get isInDoubt(): boolean {
    const last = this.agent.units.findLast(({ isAdopted }) => !isAdopted)?.entries.at(-1);
    return last !== undefined && !this.file.entries.some(({ id }) => id === last);
  }

  #newName(): string {
    return `i${Math.floor(this.#random.next() * 1e12).toString(36)}`;
  }

  /** As far as all is cut; during a hand-over nothing is, and all are kept. */
  #keepKeys(): void {
    const uncut = this.isAnnouncing ? undefined : this.uncut[0]?.seq;
    keepKeys(this.file, uncut === undefined ? this.file.lastSeq : uncut - 1);
  }

  #state(identity: string): RowState {
    const kept = this.file.kept.get(identity);
    const flight = this.#flight(identity).map(({ cut }) => cut);
    return {
      base: kept?.base ?? null,
      mark: kept?.mark ?? null,
      isLinked: (kept?.id ?? null) !== null,
      flight,
    };
  }

  #flight(identity: string): Change[] {
    return this.agent.units.flatMap((unit) =>
      unit.changes.filter((change) => change.identity === identity && !this.#isSettled(unit, change)),
    );
  }

  #isSettled({ incarnation }: CutUnit, { number }: Change): boolean {
    return this.file.settled.has(`${incarnation} ${number}`);
  }

  /** As it is read: a copy. */
  #rowAt(key: string): ReadonlyMap<string, Value> | null {
    const row = this.file.rows.get(key);
    return row === undefined ? null : new Map(row);
  }

  /** Answers outlive the agent file that the changes were in. */
  #nameOf({ number }: Change): string {
    return `${this.agent.incarnation} ${number}`;
  }

  #own(): CutUnit[] {
    return this.agent.units.filter(
      ({ incarnation, isAdopted }) => incarnation === this.agent.incarnation && !isAdopted,
    );
  }

  #send({ incarnation, number, entries, changes }: Unit): void {
    this.#centre.up.get(this.#name)?.push({ incarnation, number, entries, changes });
  }

  #take(record: Down): void {
    if (record.kind === 'row') return this.#image(record);
    if (record.till !== this.#name) return;
    if (record.kind === 'link') {
      const kept = this.file.kept.get(record.identity);
      if (kept !== undefined) kept.id = record.id;
      return;
    }
    if (record.incarnation !== this.agent.incarnation) return;
    if (record.kind === 'accept') return this.#resume();
    for (const unit of this.#own()) {
      for (const change of unit.changes) if (change.number <= record.change) this.#settle(change);
    }
  }

  #settle(change: Change): void {
    if (this.file.settled.has(this.#nameOf(change))) return;
    const kept = keptOf(this.file, change.identity);
    this.#answer(kept, {
      image: kept.waiting?.image,
      at: kept.waiting?.at ?? kept.at,
      answers: [this.#nameOf(change)],
    });
  }

  #image({ id, image, origins, at }: Down & { kind: 'row' }): void {
    const { incarnation } = this.agent;
    const answers = origins
      .filter((origin) => origin.till === this.#name && origin.incarnation === incarnation)
      .map(({ change }) => `${incarnation} ${change}`);
    let kept = [...this.file.kept.values()].find((row) => row.id === id);
    if (kept === undefined) {
      if (image === null) return;
      kept = keptOf(this.file, `centre ${id}`);
      kept.id = id;
    }
    const isOlder = at < (kept.waiting?.at ?? kept.at);
    const newest = isOlder ? { image: kept.waiting?.image, at: kept.waiting?.at ?? kept.at } : { image, at };
    this.#answer(kept, { ...newest, answers });
  }

  #answer(kept: KeptRow, { image, at, answers }: NonNullable<KeptRow['waiting']>): void {
    kept.waiting = { image, at, answers: [...(kept.waiting?.answers ?? []), ...answers] };
    this.#write(kept);
  }

  /** Rows of which something is not cut, by identity. */
  #touched(): ReadonlySet<string> {
    const ids = new Set(this.uncut.map(({ id }) => id));
    const isUncut = ({ id }: Entry) => ids.has(id);
    const rows = foldFile(this.file).filter(
      ({ entries, ousted }) => entries.some(isUncut) || (ousted !== null && isUncut(ousted)),
    );
    return new Set(rows.map(({ identity }) => identity));
  }

  #writeWaiting(): void {
    for (const kept of this.file.kept.values()) {
      if (kept.waiting !== null) this.#write(kept);
      else if (kept.mark === 'deleted' && kept.key !== null && !this.#mustWait(kept)) this.#show(kept);
    }
  }

  #write(kept: KeptRow): void {
    const { waiting } = kept;
    if (waiting === null || this.#mustWait(kept)) return;
    const { image, at, answers } = waiting;
    if (
      this.parks &&
      image !== undefined &&
      image !== null &&
      kept.base !== null &&
      this.#random.happens(0.15)
    )
      return;
    kept.waiting = null;
    kept.isBlind = false;
    kept.at = at;
    if (image === undefined) {
      const cuts = this.#flight(kept.identity).filter((change) => answers.includes(this.#nameOf(change)));
      for (const { cut } of cuts) kept.base = settledBase(kept, cut);
    } else if (image === null) {
      kept.mark = 'deleted';
    } else {
      kept.base = image;
      kept.mark = null;
    }
    this.#noteSettled(kept, answers);
    this.#show(kept);
  }

  /** With their entries, in the transaction that moves the base: an agent file that is lost knows of neither. */
  #noteSettled({ identity }: KeptRow, answers: readonly string[]): void {
    for (const change of this.#flight(identity)) {
      if (answers.includes(this.#nameOf(change))) for (const id of change.entries) this.file.done.add(id);
    }
    for (const answered of answers) this.file.settled.add(answered);
  }

  /** Something of the row is not cut, or is found now. */
  #mustWait(kept: KeptRow): boolean {
    return this.#touched().has(kept.identity) || this.#find(kept, kept.key, null);
  }

  #find(kept: KeptRow, key: string | null, uncut: Sums | null): boolean {
    if (key === null) return false;
    const judged = judge(this.#state(kept.identity), { row: this.file.rows.get(key) ?? null, uncut }, RULES);
    if (judged.kind === 'clean') return false;
    this.#enter(judged.op, key, judged.sums);
    return true;
  }

  #enter(op: 'c' | 'u' | 'd', key: string, sums: Sums): void {
    const deltas = new Map([...sums].map(([column, amount]) => [column, { old: '0', new: amount }]));
    enter(this.file, this.#random, { op, key, keyBefore: null, atMs: this.file.lookedAtMs, deltas });
  }

  /** Nothing of it is uncut: the file shows what it should. */
  #show(kept: KeptRow): void {
    const { file } = this;
    const values = shown(this.#state(kept.identity));
    if (values === 'keep') return;
    if (values === null) {
      if (kept.key === null) return;
      file.rows.delete(kept.key);
      file.things.delete(kept.key);
      kept.key = null;
      return;
    }
    if (kept.key === null) {
      kept.key = String(file.nextKey++);
      file.things.set(kept.key, thingOf(file, kept.identity));
    }
    file.rows.set(kept.key, new Map([...(file.rows.get(kept.key) ?? []), ...values]));
  }

  #purge(): void {
    const last = this.agent.units.at(-1);
    for (const unit of this.agent.units) {
      if (unit === last || unit.changes.some((change) => !this.#isSettled(unit, change))) continue;
      for (const id of unit.entries) this.file.done.add(id);
    }
    const { keyed, done } = this.file;
    this.file.entries = this.file.entries.filter(
      ({ id, seq }) => seq > keyed || !done.has(id) || last?.entries.includes(id) === true,
    );
  }

  #readAcceptance(): void {
    const { incarnation } = this.agent;
    for (const record of this.#centre.stream) {
      if (record.kind !== 'accept' || record.incarnation !== incarnation) continue;
      this.#keepKeys();
      const { entries, changes } = adoptedChanges(this.file, record.known);
      this.agent.lastChange = changes.length;
      this.agent.units.push({ incarnation, number: 0, entries, changes, isAdopted: true });
      this.agent.announcement = { isAdopted: true };
    }
  }

  /** All that the centre knew has been read. */
  #resume(): void {
    if (this.agent.announcement === null) return;
    this.agent.announcement = null;
    for (const unit of this.agent.units) {
      if (!unit.isAdopted) continue;
      // An insert without a link came and went in one unit: the file is from between, and has it again.
      const undone = unit.changes.filter(
        ({ cut, identity }) => cut.op === 'c' && this.file.kept.get(identity)?.id === null,
      );
      const identities = new Set(undone.map(({ identity }) => identity));
      unit.changes = unit.changes.filter((change) => !undone.includes(change));
      unit.entries = unit.entries.filter((id) => !identities.has(this.file.rowOf.get(id) ?? ''));
      for (const change of unit.changes) this.#settle(change);
    }
  }
}
