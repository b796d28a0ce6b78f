/** Reads the down stream: images, links and outcomes. */
import { answeredOf, settled, shown } from '../../../../../services/terminal-agent/up/row-state.ts';
import { adoptedChanges } from './adopting.ts';
import type { Change, Down } from './records.ts';
import { keptOf, thingOf } from './kept-rows.ts';
import type { KeptRow, Waiting } from './till-file.ts';
import type { TillState } from './till-state.ts';

export class TillDown {
  readonly #till: TillState;

  constructor(till: TillState) {
    this.#till = till;
  }

  /** One transaction of the apply side. @returns whether a hand-over has ended in it */
  read(most: number): boolean {
    const till = this.#till;
    const wasAnnouncing = till.isAnnouncing;
    if (till.isUnwatched) return false;
    if (till.agent.announcement?.isAdopted === false) this.#readAcceptance();
    if (till.isInDoubt || till.agent.announcement?.isAdopted === false) return false;
    till.keepKeys();
    let left = most;
    for (const record of till.centre.stream) {
      if (record.at <= till.file.readTo) continue;
      if (left === 0) break;
      left -= 1;
      this.#take(record);
      till.file.readTo = record.at;
    }
    this.#writeWaiting();
    this.#purge();
    return wasAnnouncing && !till.isAnnouncing;
  }

  #take(record: Down): void {
    const { name, file, agent } = this.#till;
    if (record.kind === 'row') return this.#image(record);
    if (record.till !== name) return;
    if (record.kind === 'link') {
      const kept = file.kept.get(record.identity);
      if (kept !== undefined) kept.id = record.id;
      return;
    }
    if (record.incarnation !== agent.incarnation) return;
    if (record.kind === 'accept') return this.#resume();
    const held = record.kind === 'progress' ? record.held : [];
    for (const change of this.#till.own().flatMap(({ changes }) => changes)) {
      if (record.kind === 'progress' && change.number <= record.change && !held.includes(change.number))
        this.#settle(change);
      if (record.kind === 'refused' && change.number === record.change) this.#settle(change, 'refused');
    }
  }

  #settle(change: Change, outcome: 'applied' | 'refused' = 'applied'): void {
    const name = this.#till.nameOf(change);
    if (this.#till.settled.has(name)) return;
    const kept = keptOf(this.#till.file, change.identity);
    const { image, at } = kept.waiting ?? { image: undefined, at: kept.at };
    this.#answer(kept, { image, at, answers: [name], refused: outcome === 'refused' ? [name] : [] });
  }

  #image({ id, image, origins, at }: Down & { kind: 'row' }): void {
    const till = this.#till;
    const { incarnation } = till.agent;
    const answers = origins
      .filter((origin) => origin.till === till.name && origin.incarnation === incarnation)
      .map(({ change }) => till.answerTo(incarnation, change));
    let kept = [...till.file.kept.values()].find((row) => row.id === id);
    if (kept === undefined) {
      if (image === null) return;
      kept = keptOf(till.file, `centre ${id}`);
      kept.id = id;
    }
    const known = kept.waiting ?? { image: undefined, at: kept.at };
    const isOlder = at < known.at;
    const newest = isOlder ? { image: known.image, at: known.at } : { image, at };
    this.#answer(kept, { ...newest, answers, refused: [] });
  }

  #answer(kept: KeptRow, { image, at, answers, refused }: Waiting): void {
    if (!this.#till.keeps('answers wait with their image')) this.#noteSettled(kept, answers);
    const { waiting } = kept;
    kept.waiting = {
      image,
      at,
      answers: [...(waiting?.answers ?? []), ...answers],
      refused: [...(waiting?.refused ?? []), ...refused],
    };
    this.#write(kept);
  }

  #writeWaiting(): void {
    for (const kept of this.#till.file.kept.values()) if (kept.waiting !== null) this.#write(kept);
  }

  #write(kept: KeptRow): void {
    const { waiting } = kept;
    if (waiting === null || this.#mustWait(kept)) return;
    const { image, at, answers, refused } = waiting;
    const isValue = image !== undefined && image !== null;
    if (this.#till.parks && isValue && this.#till.random.happens(0.15)) return;
    kept.waiting = null;
    kept.isBlind = false;
    kept.at = at;
    const answered = this.#answered(kept, answers);
    // An outcome that came before the image says what became of the row until then.
    for (const change of answered) this.#outcome(kept, change, refused);
    if (image === null) this.#goneAtCentre(kept);
    else if (isValue) {
      kept.base = image;
      kept.mark = null;
    }
    this.#noteSettled(kept, answered.map((change) => this.#till.nameOf(change)).concat(answers));
    this.#show(kept);
  }

  #outcome(kept: KeptRow, change: Change, refused: readonly string[]): void {
    const isRefused = refused.includes(this.#till.nameOf(change));
    if (!isRefused && !this.#till.keeps('an insert stands for its image')) return;
    const { cut } = change;
    const { base, mark } = settled(
      { ...kept, isLinked: kept.id !== null },
      cut,
      isRefused ? 'refused' : 'applied',
    );
    kept.base = base;
    kept.mark = mark;
  }

  #goneAtCentre(kept: KeptRow): void {
    if (this.#till.keeps('a delete marks the base')) kept.mark = 'deleted';
    else kept.base = null;
  }

  #answered({ identity }: KeptRow, answers: readonly string[]): Change[] {
    return answeredOf(this.#till.flight(identity), (change) => answers.includes(this.#till.nameOf(change)));
  }

  /** With their entries, in the transaction that moves the base: an agent file that is lost knows of neither. */
  #noteSettled({ identity }: KeptRow, answers: readonly string[]): void {
    const till = this.#till;
    if (till.keeps('entries are done with the base')) {
      for (const change of till.flight(identity)) {
        if (answers.includes(till.nameOf(change))) for (const id of change.entries) till.file.done.add(id);
      }
    }
    for (const answered of answers) till.settled.add(answered);
  }

  /** Something of the row is not cut, or is found now. */
  #mustWait(kept: KeptRow): boolean {
    const till = this.#till;
    if (till.touched().has(kept.identity)) return till.keeps('an image waits until its row is cut');
    return (
      till.keeps('a row is looked at before its image is written') &&
      till.find(kept.identity, kept.key, { uncut: null })
    );
  }

  /** Nothing of it is uncut: the file shows what it should. */
  #show(kept: KeptRow): void {
    const { file } = this.#till;
    const values = shown(this.#till.stateOf(kept.identity));
    if (values === 'keep') return;
    if (values === null) {
      if (kept.key === null) return;
      file.rows.delete(kept.key);
      file.things.delete(kept.key);
      kept.key = null;
      return;
    }
    // One that was taken away without a word still has the key that it had.
    if (kept.key === null || !file.rows.has(kept.key)) {
      kept.key = String(file.nextKey++);
      file.ousted.delete(kept.identity);
      file.things.set(kept.key, thingOf(file, kept.identity));
    }
    file.rows.set(kept.key, new Map([...(file.rows.get(kept.key) ?? []), ...values]));
  }

  #purge(): void {
    const { agent, file } = this.#till;
    const last = agent.units.at(-1);
    for (const unit of agent.units) {
      if (unit === last || unit.changes.some((change) => !this.#till.isSettled(unit, change))) continue;
      for (const id of unit.entries) file.done.add(id);
    }
    const { keyed, done } = file;
    file.entries = file.entries.filter(
      ({ id, seq }) => seq > keyed || !done.has(id) || last?.entries.includes(id) === true,
    );
  }

  #readAcceptance(): void {
    const { agent, file, centre } = this.#till;
    const { incarnation } = agent;
    for (const record of centre.stream) {
      if (record.kind !== 'accept' || record.incarnation !== incarnation) continue;
      this.#till.keepKeys();
      const { entries, changes } = adoptedChanges(file, record.known);
      const isInFlight = this.#till.keeps('what is known is in flight until all is read');
      agent.lastChange = changes.length;
      agent.units.push({
        incarnation,
        number: 0,
        entries,
        changes: isInFlight ? changes : [],
        isAdopted: true,
      });
      agent.announcement = { isAdopted: true };
    }
  }

  /** All that the centre knew has been read. */
  #resume(): void {
    const { agent, file } = this.#till;
    if (agent.announcement === null) return;
    agent.announcement = null;
    for (const unit of agent.units) {
      if (!unit.isAdopted) continue;
      // An insert without a link came and went in one unit, or was refused: the file has it, and offers it again.
      const isUndone = this.#till.keeps('an insert without a link is undone after a hand-over');
      const undone = unit.changes.filter(
        ({ cut, identity }) => isUndone && cut.op === 'c' && file.kept.get(identity)?.id === null,
      );
      const identities = new Set(undone.map(({ identity }) => identity));
      unit.changes = unit.changes.filter(({ identity }) => !identities.has(identity));
      unit.entries = unit.entries.filter((id) => !identities.has(file.rowOf.get(id) ?? ''));
      for (const change of unit.changes) this.#settle(change);
    }
  }
}
