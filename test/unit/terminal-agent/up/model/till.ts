/** A till: its app, its file, and its agent, which works by the rules under test. */
import { App, type AppFaults } from './app.ts';
import { thingOf } from './kept-rows.ts';
import { newAgentFile, type TillFile } from './till-file.ts';
import { TillDown } from './till-down.ts';
import { TillState, type TillParts } from './till-state.ts';
import { TillUp } from './till-up.ts';

export class Till {
  readonly app: App;
  readonly state: TillState;
  readonly up: TillUp;
  readonly #down: TillDown;
  #copy: TillFile | null = null;

  constructor(name: string, parts: TillParts) {
    this.app = new App(name, parts.random, parts.edits);
    this.state = new TillState(name, parts);
    this.up = new TillUp(this.state);
    this.#down = new TillDown(this.state);
    parts.centre.register(name, this.state.agent.incarnation);
  }

  work(nowMs: number, faults: AppFaults): void {
    this.app.work(this.state.file, nowMs, faults);
  }

  /** Somebody mends what the centre has not taken. */
  mend(nowMs: number): void {
    for (const { mark, key } of this.state.file.kept.values())
      if (mark === 'refused' && key !== null) this.app.edit(this.state.file, key, nowMs);
  }

  /** One transaction of the apply side. */
  read(most: number): void {
    const isHandedOver = this.#down.read(most);
    if (isHandedOver && this.state.keeps('all rows are looked at after a hand-over')) this.up.sweep();
  }

  rewind(): void {
    const { state } = this;
    if (!state.isAnnouncing) state.file.readTo = state.random.below(state.file.readTo + 1);
  }

  /** The agent finds that its triggers are away, or not. */
  switchTriggers(areOn: boolean): void {
    this.state.file.areTriggersOn = areOn;
    if (areOn) this.up.sweep();
  }

  /** A copy from while the triggers are away holds what no entry names: restored, that would be found a second time. */
  backup(): void {
    if (!this.state.file.areTriggersOn) return;
    this.#copy = structuredClone(this.state.file);
    this.app.deeds.soldAtCopy = this.app.deeds.sold.length;
  }

  /** The file is an older one again. What triggers did not see is gone with it, so they are there. */
  restore(): void {
    const { state } = this;
    if (this.#copy === null || state.isAnnouncing || !state.file.areTriggersOn) return;
    this.up.publishSurviving();
    const last = state.agent.units.at(-1);
    const isQuiet =
      this.#copy.lastSeq === state.file.lastSeq &&
      last !== undefined &&
      !last.isAdopted &&
      this.#copy.entries.some(({ id }) => id === last.entries.at(-1));
    this.#forgetUnsent(this.#copy);
    state.file = structuredClone(this.#copy);
    if (!isQuiet) this.loseAgentFile();
  }

  /** What was sold of a row that came and went in one unit is gone with the file that the row comes back with. */
  #forgetUnsent({ things, kept }: TillFile): void {
    const { deeds } = this.app;
    const { agent, file } = this.state;
    const sent = new Set(agent.units.flatMap(({ changes }) => changes.map(({ thing }) => thing)));
    for (const { id, identity } of kept.values()) if (id !== null) sent.add(thingOf(file, identity));
    const unsent = new Set([...things.values()].filter((thing) => !sent.has(thing)));
    deeds.sold = deeds.sold.filter(({ thing }, at) => at < deeds.soldAtCopy || !unsent.has(thing));
  }

  loseAgentFile(): void {
    const { state } = this;
    if (state.isAnnouncing) return;
    state.file.blindTo = state.file.lastSeq;
    state.file.hasUnseen = !state.file.areTriggersOn;
    const predecessor = state.agent.incarnation;
    state.agent = newAgentFile(state.newName());
    state.agent.announcement = { isAdopted: false };
    state.centre.up.get(state.name)?.push({ incarnation: state.agent.incarnation, predecessor });
  }
}
