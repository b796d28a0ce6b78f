/**
 * A till's files and the centre, without any I/O: the rules are the product's own (admission, hand-over, standing,
 * settlement), what surrounds them is as small as it can be. Every sale is one change with a time of its own, by which
 * the model counts how often each was applied: a new row, or one taken off a stock, which looks like any other.
 * The store stream is `told`, the catalog stream `rows`.
 */
import { admit, predecessorOf, type TerminalState } from '../../../services/central-apply/admission.ts';
import { knownAs, knownOf, strongerOf, withoutKnown } from '../../../services/central-apply/hand-over.ts';
import { changeHash } from '../../../services/central-apply/rows/change-hash.ts';
import type { IncomingUnit, KnownChange } from '../../../services/central-apply/rows/change.ts';
import { decideHandOver } from '../../../services/gateway/hand-over.ts';
import { PayflowError } from '../../../services/shared/errors.ts';
import {
  FIRST_PREVIOUS_HASH,
  isAnnouncement,
  type Unit,
  type UnitChange,
  type UnitRecord,
} from '../../../services/shared/records/unit-record.ts';
import type { Lsn, Position } from '../../../services/shared/records/position.ts';
import type { AnswerOrigin } from '../../../services/shared/records/origin-units.ts';
import type { Progress } from '../../../services/terminal-agent/settlement.ts';
import type { Standing } from '../../../services/terminal-agent/standing.ts';
import type { TillFile } from './till-model.ts';

interface Kept {
  readonly record: UnitRecord;
  reason: string;
}

interface Letter {
  changes: UnitChange[];
}

/** A record of the store stream: of a link, or of the till's progress. */
export type Told =
  | { readonly kind: 'link'; readonly sale: string; readonly id: string; readonly at: Position }
  | { readonly kind: 'progress'; readonly progress: Progress; readonly at: Position };

/** A record of the catalog stream: a row that a sale made. */
export interface RowTold {
  readonly id: string;
  readonly sale: string;
  readonly origin: AnswerOrigin;
  readonly at: Position;
}

export const TERMINAL = 'T1';

export class World {
  readonly log: UnitRecord[] = [];
  readonly applied = new Map<string, number>();
  readonly letters: Letter[] = [];
  readonly files: TillFile[] = [];
  readonly told: Told[] = [];
  readonly rows: RowTold[] = [];
  held: Kept[] = [];
  #state: TerminalState | null = null;
  #consumed = 0;
  #names = 0;
  #transactions = 0;
  readonly #saleAt = new Map<number, string>();
  readonly #evidence = new Map<string, KnownChange>();
  readonly #predecessors = new Map<string, string | null>();
  readonly #highest = new Map<string, number>();
  readonly #left = new Map<string, Pick<TerminalState, 'lastUnit' | 'lastSeq' | 'chainHash' | 'hashes'>>();

  name(prefix: string): string {
    this.#names += 1;
    return `${prefix}-${this.#names}`;
  }

  /** A sale's name, and the time at which it was made, which no other sale was. */
  newSale(prefix: string): { readonly sale: string; readonly atMs: number } {
    const sale = this.name(prefix);
    this.#saleAt.set(this.#names, sale);
    return { sale, atMs: this.#names };
  }

  saleOf({ capturedAtMs }: UnitChange): string {
    return this.#saleAt.get(capturedAtMs) ?? '';
  }

  /** Central-apply takes the next record of the log, or one again. */
  consume(again?: number): void {
    const offset = again === undefined ? this.#consumed : again % Math.max(1, this.#consumed);
    const record = this.log[offset];
    if (record === undefined) return;
    if (again === undefined) this.#consumed += 1;
    this.#take(record, null);
    this.#release();
  }

  get drained(): boolean {
    return this.#consumed === this.log.length;
  }

  get incarnations(): string[] {
    const state = this.#state;
    return state === null ? [] : [state.incarnation, ...state.others.keys()];
  }

  get isFenced(): boolean {
    return this.#state?.status === 'fenced';
  }

  #take(record: UnitRecord, kept: Kept | null): void {
    if (this.#state === null) {
      this.#state = firstState(record);
      this.#tell();
    }
    const state = this.#state;
    const { apply, hold, fence, goesOn } = admit(state, record, null);
    if (state.others.has(record.incarnation)) {
      if (isAnnouncement(record)) this.#predecessors.set(record.incarnation, predecessorOf(state, record));
      const seqs = record.units.map(({ lastSeq }) => lastSeq);
      this.#highest.set(record.incarnation, Math.max(this.#highest.get(record.incarnation) ?? 0, ...seqs));
    }
    this.#transactions += 1;
    for (const { unit } of apply) this.#apply(state, record, unit);
    if (kept !== null) this.held = this.held.filter((each) => each !== kept);
    if (hold !== null) this.#keep(record, hold);
    if (goesOn === true) this.#goesOn(state, record.incarnation);
    else if (apply.length > 0 || fence !== null) this.#tell(fence ?? undefined);
  }

  #keep(record: UnitRecord, reason: string): void {
    const same = ({ record: other }: Kept) =>
      other.incarnation === record.incarnation &&
      other.units[0]?.number === record.units[0]?.number &&
      other.units.at(-1)?.hash.equals(record.units.at(-1)?.hash ?? FIRST_PREVIOUS_HASH) === true;
    const before = this.held.find(same);
    if (before === undefined) this.held.push({ record, reason });
    else before.reason = reason;
  }

  #apply(state: TerminalState, { incarnation }: UnitRecord, unit: Unit): void {
    const incoming: IncomingUnit = {
      terminal: TERMINAL,
      storeId: 'S1',
      incarnation,
      trusted: true,
      receivedAtMs: 0,
      lentAuthority: false,
      unit,
    };
    const left = withoutKnown(incoming, state.knownSeq, this.#evidence);
    if (unit.firstSeq <= state.knownSeq) this.#takeFromLetters(unit.changes);
    for (const change of left.unit.changes) {
      const sale = this.saleOf(change);
      this.applied.set(sale, (this.applied.get(sale) ?? 0) + 1);
      if (change.op === 'c') this.#writeRow(sale, { incarnation, seq: change.seq, unitHash: unit.hash });
      const hash = changeHash(change);
      const name = knownAs(change.seq, hash);
      const answered = { seq: change.seq, table: 't', id: null, outcome: 'applied' as const, hash };
      this.#evidence.set(name, strongerOf(this.#evidence.get(name), answered));
    }
  }

  #writeRow(sale: string, from: Pick<AnswerOrigin, 'incarnation' | 'seq' | 'unitHash'>): void {
    const id = String(this.rows.length + 1);
    const { at } = this;
    this.told.push({ kind: 'link', sale, id, at });
    this.rows.push({ id, sale, origin: { terminal: TERMINAL, outcome: 'applied', ...from }, at });
  }

  /** Where the streams are with this transaction. */
  get at(): Position {
    return { epoch: 1, lsn: BigInt(this.#transactions) as Lsn, seq: 1 };
  }

  #takeFromLetters(changes: readonly UnitChange[]): void {
    const come = new Set(changes.map((change) => knownAs(change.seq, changeHash(change))));
    for (const letter of this.letters) {
      letter.changes = letter.changes.filter((change) => !come.has(knownAs(change.seq, changeHash(change))));
    }
  }

  #release(): void {
    for (;;) {
      const state = this.#state;
      const next = this.held.find(
        ({ record, reason }) =>
          ['gap', 'released'].includes(reason) &&
          record.incarnation === state?.incarnation &&
          (record.units[0]?.number ?? 0) <= state.lastUnit + 1,
      );
      if (next === undefined || state === null) return;
      const before = state.lastUnit;
      this.#take(next.record, next);
      if (state.lastUnit === before && this.held.some(({ record }) => record === next.record)) return;
    }
  }

  /** Central-apply carries out what was decided of held records. */
  carryOut(): void {
    this.#release();
    const given = this.held.find(({ reason }) => reason === 'given up');
    if (given === undefined) return;
    this.held = this.held.filter((each) => each !== given);
    const changes = given.record.units
      .flatMap((unit) => unit.changes)
      .filter((change) => knownOf(this.#evidence, change) === undefined);
    this.letters.push({ changes });
    const state = this.#state;
    if (state === null) return;
    const knownSeq = Math.max(state.knownSeq, ...changes.map(({ seq }) => seq));
    this.#state = { ...state, knownSeq };
  }

  /** @returns whether anything was decided */
  unfence(wanted: string): boolean {
    const state = this.#state;
    if (state === null) return false;
    const others = [...state.others].map(([incarnation, other]) => ({
      incarnation,
      state: other,
      predecessor: this.#predecessors.get(incarnation) ?? null,
    }));
    let chosen: string;
    try {
      const decided = decideHandOver({ terminalId: TERMINAL, current: state.incarnation, others }, wanted);
      chosen = decided.kind === 'resume' ? state.incarnation : decided.incarnation;
    } catch (error) {
      if (error instanceof PayflowError) return false;
      throw error;
    }
    this.#transactions += 1;
    this.#handOver(state, chosen);
    this.#markHeld(chosen);
    this.#tell();
    return true;
  }

  /** How often a file went on without anybody deciding. */
  wentOn = 0;

  /** It announced itself, and nothing speaks against it. */
  #goesOn(state: TerminalState, chosen: string): void {
    this.wentOn += 1;
    const { incarnation, lastUnit, hashes } = state;
    const others = new Map([...state.others].filter(([name]) => name !== chosen));
    this.#handOver(state, chosen);
    if (this.#state !== null) {
      const left = new Map([...state.left, [incarnation, { lastUnit, hashes }]]);
      this.#state = { ...this.#state, others: others.set(incarnation, 'followed'), left };
    }
    this.#markHeld(chosen);
    this.#tell();
  }

  #markHeld(chosen: string): void {
    for (const kept of this.held) {
      if (kept.record.incarnation !== chosen) kept.reason = 'given up';
      else if (['fenced', 'superseded'].includes(kept.reason)) kept.reason = 'released';
    }
  }

  #handOver(state: TerminalState, chosen: string): void {
    const names = [state.incarnation, ...state.others.keys()].filter((name) => name !== chosen);
    if (chosen === state.incarnation) {
      state.status = 'enrolled';
      for (const name of names) state.others.set(name, 'superseded');
      return;
    }
    const { lastUnit, lastSeq, chainHash, hashes } = state;
    this.#left.set(state.incarnation, { lastUnit, lastSeq, chainHash, hashes });
    this.#highest.set(state.incarnation, Math.max(lastSeq, this.#highest.get(state.incarnation) ?? 0));
    const at = this.#left.get(chosen) ?? {};
    this.#state = {
      ...firstState({ incarnation: chosen }),
      ...at,
      knownSeq: Math.max(state.knownSeq, ...this.#highest.values()),
      others: new Map(names.map((name) => [name, 'superseded' as const])),
    };
  }

  #tell(why?: string): void {
    const state = this.#state;
    if (state === null) return;
    const { incarnation, lastSeq, lastUnit } = state;
    const chainHash = state.chainHash.toString('hex');
    const fenced = state.status === 'fenced';
    const before = this.newestProgress?.standing;
    const standing: Standing = fenced
      ? { kind: 'fenced', why: why ?? (before?.kind === 'fenced' ? before.why : 'fenced') }
      : { kind: 'ok' };
    const { at } = this;
    const catalog = this.rows.at(-1)?.at ?? NOWHERE;
    const progress = { incarnation, lastSeq, lastUnit, chainHash, exceptions: [], standing, catalog, at };
    this.told.push({ kind: 'progress', progress, at });
  }

  get newestProgress(): Progress | undefined {
    return this.told.findLast((told) => told.kind === 'progress')?.progress;
  }
}

export const NOWHERE: Position = { epoch: 0, lsn: 0n as Lsn, seq: 0 };

function firstState({ incarnation }: Pick<UnitRecord, 'incarnation'>): TerminalState {
  return {
    terminal: TERMINAL,
    stores: new Map([[1, 'S1']]),
    registration: 0,
    status: 'enrolled',
    incarnation,
    lastUnit: 0,
    lastSeq: 0,
    chainHash: FIRST_PREVIOUS_HASH,
    hashes: new Map(),
    exceptions: '[]',
    knownSeq: 0,
    retireOffset: null,
    others: new Map(),
    left: new Map(),
  };
}
