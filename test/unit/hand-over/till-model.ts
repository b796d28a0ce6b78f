/** A till's files in the model: payflow.db, the agent file, and what the agent does with them. */
import {
  announcementUnit,
  FIRST_PREVIOUS_HASH,
  type Unit,
} from '../../../services/shared/records/unit-record.ts';
import { encodeOriginUnits } from '../../../services/shared/records/origin-units.ts';
import {
  isReadTo,
  judgeProgress,
  mayBeOwnRow,
  ownOrigins,
  progressDoubt,
  type OwnUnits,
} from '../../../services/terminal-agent/settlement.ts';
import { nextStep, type Standing } from '../../../services/terminal-agent/standing.ts';
import { NOWHERE, TERMINAL, type RowTold, type World } from './model.ts';
import {
  changeOf,
  hashOf,
  structuredCloneOf,
  type AgentState,
  type Entry,
  type TillState,
} from './till-state.ts';

export class TillFile {
  readonly #world: World;
  readonly #name: string;
  till: TillState = {
    entries: [],
    knows: null,
    told: null,
    read: 0,
    rowsRead: 0,
    confirmed: 0,
    store: NOWHERE,
    rows: new Map(),
    parked: [],
  };
  agent: AgentState;
  #doubt: string | null = null;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
    this.agent = this.#newAgent();
    this.start();
  }

  get standing(): Standing {
    const step = this.#next();
    return step.kind === 'stand' ? step.standing : { kind: 'fenced', why: 'not yet' };
  }

  get #own(): OwnUnits {
    const { units } = this.agent;
    return {
      lastNumber: units.length,
      hashOf: (number) => units[number - 1]?.hash.toString('hex'),
      hashHolding: (seq) => units.find(({ firstSeq, lastSeq }) => firstSeq <= seq && seq <= lastSeq)?.hash,
    };
  }

  sell(kind: Entry['kind']): void {
    const seq = (this.till.entries.at(-1)?.seq ?? 0) + 1;
    this.till.entries.push({ seq, kind, ...this.#world.newSale(`sale-of-${this.#name}`), settled: false });
  }

  cut(): void {
    const { agent } = this;
    if (this.standing.kind !== 'ok') return;
    const last = agent.units.at(-1);
    const after = last?.lastSeq ?? agent.beginsAfter;
    const entries = this.till.entries.filter(({ seq }) => seq > after && !agent.leftOut.has(seq));
    const [first] = entries;
    if (first === undefined) return;
    agent.units.push({
      number: (last?.number ?? 0) + 1,
      firstSeq: first.seq,
      lastSeq: entries.at(-1)?.seq ?? first.seq,
      hash: hashOf(entries),
      previousHash: last?.hash ?? FIRST_PREVIOUS_HASH,
      changes: entries.map(changeOf),
    });
  }

  publish(): void {
    const { agent } = this;
    if (this.standing.kind !== 'ok') {
      if (agent.waiting === null || agent.announced) return;
      this.#publishSurvivors(agent.waiting.predecessor);
      const seqs = this.till.entries.map(({ seq }) => seq);
      const range = { firstSeq: seqs[0] ?? 0, lastSeq: seqs.at(-1) ?? 0 };
      this.#send([announcementUnit(agent.waiting.predecessor, range)]);
      agent.announced = true;
      return;
    }
    const units = agent.units.filter(({ number }) => number > agent.published);
    if (units.length === 0) return;
    this.#send(units);
    agent.published = units.at(-1)?.number ?? agent.published;
  }

  /** What was cut of the file before, and is in this one no more. */
  #publishSurvivors(predecessor: string | null): void {
    const last = this.agent.units.at(-1);
    if (predecessor === null || last === undefined || this.#holds(last)) return;
    const units = this.agent.units.filter(({ number }) => number > this.agent.published);
    if (units.length > 0) this.#send(units, predecessor);
    this.agent.published = last.number;
  }

  #holds(unit: Unit): boolean {
    const { entries } = this.till;
    const own = entries.filter(
      ({ seq }) => seq >= unit.firstSeq && seq <= unit.lastSeq && !this.agent.leftOut.has(seq),
    );
    return hashOf(own).equals(unit.hash);
  }

  /** Everything unsettled again. */
  publishAgain(): void {
    this.agent.published = 0;
    this.agent.announced = false;
    this.publish();
  }

  /** The next record of the store stream. */
  read(): void {
    const told = this.#world.told[this.till.read];
    if (told === undefined) return;
    this.till.read += 1;
    this.till.store = told.at;
    if (told.kind === 'link') this.#link(told.sale, told.id);
    else {
      this.till.told = told.progress;
      this.#doubt ??= progressDoubt(told.progress, this.agent, this.#own);
    }
    this.#settle();
    this.#retryParked();
    this.#step();
  }

  /** The next record of the catalog stream. */
  readRow(): void {
    const row = this.#world.rows[this.till.rowsRead];
    if (row === undefined) return;
    this.till.rowsRead += 1;
    const { origin, id } = row;
    const me = { terminal: TERMINAL, incarnation: this.agent.incarnation };
    const answer = { origins: [origin], units: encodeOriginUnits([origin]) };
    const mine = this.standing.kind === 'ok' ? ownOrigins(answer, me, this.#own) : [];
    for (const { seq } of mine) {
      const entry = this.till.entries.find((each) => each.seq === seq && !each.settled);
      if (entry === undefined) continue;
      entry.settled = true;
      this.till.rows.set(id, entry.sale);
    }
    this.#arrive(row, mine.length > 0);
    this.#settle();
    this.#step();
  }

  /** Sales whose row here is another one, or that have two, or another's. */
  wrongRows(): string[] {
    const { rows, entries } = this.till;
    const wrong = [...rows].filter(([id, sale]) => this.#world.rows[Number(id) - 1]?.sale !== sale);
    const twice = entries.filter(({ sale }) => [...rows.values()].filter((each) => each === sale).length > 1);
    return [
      ...wrong.map(([id, sale]) => `${id} is not ${sale}`),
      ...twice.map(({ sale }) => `two of ${sale}`),
    ];
  }

  #link(sale: string, id: string): void {
    if (this.till.entries.some((entry) => entry.sale === sale)) this.till.rows.set(id, sale);
  }

  #arrive(row: RowTold, isKnown: boolean): void {
    const { rows, parked } = this.till;
    if (rows.has(row.id)) return;
    const place = { position: row.at, fromCatalog: true, ownOrigin: isKnown };
    if (mayBeOwnRow(place, this.#hasUnlinked, this.#reach)) parked.push(row);
    else rows.set(row.id, row.sale);
  }

  /** Settled or not: what is not linked may be what comes. */
  get #hasUnlinked(): boolean {
    const linked = new Set(this.till.rows.values());
    return this.till.entries.some(
      ({ kind, sale, settled }) => kind === 'row' && !settled && !linked.has(sale),
    );
  }

  get #reach() {
    return { position: this.till.store, caughtUp: true };
  }

  get #isRead(): boolean {
    const position = this.#world.rows[this.till.rowsRead - 1]?.at ?? NOWHERE;
    return isReadTo(this.till.told, { catalog: { position, caughtUp: true }, store: this.#reach });
  }

  #retryParked(): void {
    const parked = this.till.parked.splice(0);
    for (const row of parked) this.#arrive(row, false);
  }

  #settle(): void {
    const { told, entries } = this.till;
    if (told === null || this.standing.kind !== 'ok' || this.#doubt !== null) return;
    const { agent } = this;
    const catalog = {
      position: this.#world.rows[this.till.rowsRead - 1]?.at ?? NOWHERE,
      caughtUp: true,
    };
    const me = { terminal: TERMINAL, incarnation: agent.incarnation };
    const highest = entries.at(-1)?.seq ?? 0;
    if (judgeProgress(told, me, highest, { catalog, store: this.#reach }) !== 'settle') return;
    this.till.confirmed = told.lastSeq;
    for (const entry of entries) {
      const sent = entry.seq > agent.beginsAfter || agent.leftOut.has(entry.seq);
      if (sent && entry.seq <= told.lastSeq) entry.settled = true;
    }
  }

  /** The agent starts: with what its files hold. */
  start(): void {
    const { agent, till } = this;
    if (
      till.knows !== null &&
      till.knows !== agent.incarnation &&
      agent.units.length === 0 &&
      !agent.announced
    ) {
      agent.waiting ??= { why: 'the agent file was lost', predecessor: till.knows };
    }
    till.knows = agent.incarnation;
    const last = agent.units.at(-1);
    if (last !== undefined && agent.waiting === null) {
      if (!this.#holds(last)) this.#doubt = 'not the file';
    }
    this.#step();
  }

  loseAgentFile(): void {
    this.agent = this.#newAgent();
    this.start();
  }

  snapshot(): { till: TillState; agent: AgentState } {
    return structuredCloneOf({ till: this.till, agent: this.agent });
  }

  restore(kept: Partial<{ till: TillState; agent: AgentState }>): void {
    const copy = structuredCloneOf(kept);
    if (copy.till !== undefined) this.till = copy.till;
    if (copy.agent !== undefined) this.agent = copy.agent;
    this.start();
  }

  #newAgent(): AgentState {
    return {
      incarnation: this.#world.name('incarnation'),
      waiting: null,
      units: [],
      published: 0,
      beginsAfter: 0,
      leftOut: new Set(),
      announced: false,
    };
  }

  #next() {
    const { agent, till } = this;
    return nextStep({
      incarnation: agent.incarnation,
      waiting: agent.waiting,
      doubt: this.#doubt,
      progress: till.told,
      isRead: this.#isRead,
    });
  }

  #step(): void {
    for (let step = this.#next(); step.kind !== 'stand'; step = this.#next()) {
      const { agent, till } = this;
      if (step.kind === 'renounce') {
        for (const entry of till.entries) if (entry.seq > till.confirmed) entry.settled = false;
        agent.waiting = { why: step.why, predecessor: agent.incarnation };
        agent.incarnation = this.#world.name('incarnation');
        agent.announced = false;
        till.knows = agent.incarnation;
        this.#doubt = null;
        continue;
      }
      const open = till.entries.filter(({ settled }) => !settled).map(({ seq }) => seq);
      const first = open[0] ?? (till.entries.at(-1)?.seq ?? 0) + 1;
      agent.waiting = null;
      agent.units = [];
      agent.published = 0;
      agent.beginsAfter = first - 1;
      agent.leftOut = new Set(till.entries.filter((e) => e.settled && e.seq > first).map(({ seq }) => seq));
    }
  }

  #send(units: readonly Unit[], incarnation = this.agent.incarnation): void {
    this.#world.log.push({
      protocol: 1,
      terminal: TERMINAL,
      incarnation,
      databaseId: 'd',
      mappingVersion: 1,
      keyVersion: 1,
      part: 1,
      parts: 1,
      units,
    });
  }
}
