/** A till's files in the model: payflow.db, the agent file, and what the agent does with them. */
import { createHash } from 'node:crypto';
import {
  announcementUnit,
  FIRST_PREVIOUS_HASH,
  type Unit,
  type UnitChange,
} from '../../../services/shared/records/unit-record.ts';
import { progressDoubt, type Progress } from '../../../services/terminal-agent/settlement.ts';
import { nextStep, type Standing, type Waiting } from '../../../services/terminal-agent/standing.ts';
import { TERMINAL, type World } from './model.ts';

interface Entry {
  readonly seq: number;
  readonly sale: string;
  settled: boolean;
}

/** What the agent keeps in a file of its own. */
interface AgentState {
  incarnation: string;
  waiting: Waiting | null;
  units: Unit[];
  published: number;
  beginsAfter: number;
  leftOut: Set<number>;
  announced: boolean;
}

/** payflow.db. */
interface TillState {
  entries: Entry[];
  knows: string | null;
  told: Progress | null;
  read: number;
}

function changeOf({ seq, sale }: Entry): UnitChange {
  return {
    seq,
    table: 't',
    op: 'u',
    capturedAtMs: 0,
    row: { identity: '', centralId: '1' },
    columns: [{ name: 'sale', old: null, new: sale }],
    references: [],
  };
}

export class TillFile {
  readonly #world: World;
  readonly #name: string;
  till: TillState = { entries: [], knows: null, told: null, read: 0 };
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

  sell(): void {
    const seq = (this.till.entries.at(-1)?.seq ?? 0) + 1;
    this.till.entries.push({ seq, sale: this.#world.name(`sale-of-${this.#name}`), settled: false });
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

  /** Everything unsettled again. */
  publishAgain(): void {
    this.agent.published = 0;
    this.agent.announced = false;
    this.publish();
  }

  /** The next progress row of its stream. */
  read(): void {
    const told = this.#world.told[this.till.read];
    if (told === undefined) return;
    this.till.read += 1;
    this.till.told = told;
    const { units } = this.agent;
    this.#doubt ??= progressDoubt(told, this.agent, {
      lastNumber: units.length,
      hashOf: (number) => units[number - 1]?.hash.toString('hex'),
    });
    if (told.incarnation === this.agent.incarnation && this.standing.kind === 'ok') {
      for (const entry of this.till.entries) {
        const sent = entry.seq > this.agent.beginsAfter || this.agent.leftOut.has(entry.seq);
        if (sent && entry.seq <= told.lastSeq) entry.settled = true;
      }
    }
    this.#step();
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
      const entries = till.entries.filter(
        ({ seq }) => seq >= last.firstSeq && seq <= last.lastSeq && !agent.leftOut.has(seq),
      );
      if (!hashOf(entries).equals(last.hash)) this.#doubt = 'not the file';
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
    });
  }

  #step(): void {
    for (let step = this.#next(); step.kind !== 'stand'; step = this.#next()) {
      const { agent, till } = this;
      if (step.kind === 'renounce') {
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

  #send(units: readonly Unit[]): void {
    this.#world.log.push({
      protocol: 1,
      terminal: TERMINAL,
      incarnation: this.agent.incarnation,
      databaseId: 'd',
      mappingVersion: 1,
      keyVersion: 1,
      part: 1,
      parts: 1,
      units,
    });
  }
}

function hashOf(entries: readonly Entry[]): Buffer {
  return createHash('sha256')
    .update(JSON.stringify(entries.map(({ seq, sale }) => [seq, sale])))
    .digest();
}

/** structuredClone makes plain arrays of Buffers. */
function structuredCloneOf<T>(value: T): T {
  if (Buffer.isBuffer(value)) return value;
  if (value instanceof Set) return new Set(value) as T;
  if (Array.isArray(value)) return value.map((each: unknown) => structuredCloneOf(each)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, structuredCloneOf(each)])) as T;
}
