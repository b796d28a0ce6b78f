/** Looks, cuts and publishes. */
import {
  insertedWith,
  NO_SUMS,
  sumsOf,
  type Entry,
  type Sums,
} from '../../../../../services/terminal-agent/up/entries.ts';
import { decideCut, expected, type Cut } from '../../../../../services/terminal-agent/up/row-state.ts';
import { subtractDecimals } from '../../../../../services/shared/values/decimal.ts';
import { DELTA, type Change, type Unit } from './records.ts';
import { foldFile, thingOf, type FoldedRow } from './kept-rows.ts';
import { RULES, type TillState } from './till-state.ts';

export class TillUp {
  readonly #till: TillState;

  constructor(till: TillState) {
    this.#till = till;
  }

  /** All that is new becomes a unit. */
  cut(nowMs: number): void {
    const till = this.#till;
    const ids = new Set(till.uncut.map(({ id }) => id));
    if (till.file.areTriggersOn) till.file.lookedAtMs = nowMs;
    const mustWait = till.isAnnouncing && till.keeps('nothing is cut before the acceptance is read');
    if (mustWait || till.isUnwatched || till.isInDoubt || ids.size === 0) return;
    const changes: Change[] = [];
    for (const folded of foldFile(till.file)) {
      const change = this.#changeOf(folded, (entry) => ids.has(entry.id));
      if (change !== null) changes.push(change);
    }
    till.agent.lastUnit += 1;
    const { incarnation, lastUnit } = till.agent;
    till.agent.units.push({ incarnation, number: lastUnit, entries: [...ids], changes, isAdopted: false });
  }

  #changeOf(
    { identity, key, entries, ousted }: FoldedRow,
    isUncut: (entry: Entry) => boolean,
  ): Change | null {
    const { file, agent } = this.#till;
    const mine = entries.filter(isUncut);
    const isOusted = ousted !== null && isUncut(ousted);
    const last = mine.at(-1) ?? (isOusted ? ousted : undefined);
    if (last === undefined) return null;
    const cut = this.#cutOf({ identity, key }, sumsOf(entries, isUncut), mine);
    if (cut === null) return null;
    agent.lastChange += 1;
    return {
      number: agent.lastChange,
      identity,
      id: file.kept.get(identity)?.id ?? null,
      cut,
      atMs: last.atMs,
      thing: thingOf(file, identity),
      entries: mine.map(({ id }) => id),
    };
  }

  #cutOf(
    { identity, key }: Pick<FoldedRow, 'identity' | 'key'>,
    sums: Sums,
    mine: readonly Entry[],
  ): Cut | null {
    const till = this.#till;
    const row = key === null ? null : till.rowAt(key);
    const state = till.stateOf(identity);
    const isPartly =
      till.keeps('rows counted in part go up blind') && till.file.kept.get(identity)?.isBlind === true;
    const isOld =
      till.keeps('what an old agent file may have cut goes up blind') &&
      mine.some(({ seq }) => seq <= till.file.blindTo);
    const difference = subtractDecimals(row?.get(DELTA) ?? '0', expected(state)?.get(DELTA) ?? '0');
    const counted = till.keeps('delta columns go by entries') ? sums : new Map([[DELTA, difference]]);
    const cut = decideCut(state, { row, sums: counted, isBlind: isPartly || isOld }, RULES);
    const isWhole =
      cut?.op !== 'c' || cut.latest === undefined || till.keeps('a refused row is offered whole');
    return isWhole ? cut : { op: 'u', ...(cut.latest ?? { edits: new Map(), sums: NO_SUMS }) };
  }

  publish(): void {
    const till = this.#till;
    if (till.isAnnouncing) return;
    for (const unit of till.own().filter(({ number }) => number > till.agent.published)) {
      this.send(unit);
      if (till.random.happens(0.2)) return;
      till.agent.published = unit.number;
    }
    const own = till.own();
    if (own.length > 0 && till.random.happens(0.1)) this.send(till.random.pick(own));
  }

  resend(): void {
    const till = this.#till;
    if (till.isAnnouncing) return;
    for (const unit of till.own()) {
      const isOpen = unit.changes.some((change) => !till.isSettled(unit, change));
      if (isOpen && unit.number <= till.agent.published) this.send(unit);
    }
  }

  /** What was cut before the file or the agent file went. */
  publishSurviving(): void {
    const till = this.#till;
    if (!till.keeps('units that survive are published first')) return;
    for (const unit of till.own().filter(({ number }) => number > till.agent.published)) this.send(unit);
  }

  send({ incarnation, number, entries, changes }: Unit): void {
    this.#till.centre.up.get(this.#till.name)?.push({ incarnation, number, entries, changes });
  }

  /** What differs from what it should be, without an entry, gets one. */
  sweep(): void {
    const till = this.#till;
    if (till.isAnnouncing) return;
    till.keepKeys();
    const folded = new Map(foldFile(till.file).map((row) => [row.identity, row]));
    const keys = new Set([...folded.values()].map(({ key }) => key));
    const ids = new Set(till.uncut.map(({ id }) => id));
    for (const identity of new Set([...till.file.kept.keys(), ...folded.keys()])) {
      const row = folded.get(identity);
      const key = row === undefined ? (till.file.kept.get(identity)?.key ?? null) : row.key;
      keys.add(key);
      const isUncut = row?.entries.some(({ id }) => ids.has(id)) === true;
      const uncut = isUncut ? sumsOf(row?.entries ?? [], ({ id }) => ids.has(id)) : null;
      const isCounted = isUncut && till.keeps('what an insert holds beyond its entries is found');
      till.find(identity, key, { uncut, inserted: isCounted ? insertedWith(row?.entries ?? []) : null });
    }
    for (const key of till.file.rows.keys()) if (!keys.has(key)) till.enter('c', key, NO_SUMS);
  }
}
