/**
 * Under which of the till's registrations each entry of the outbox was written, and so in whose store it was sold. It
 * stands in payflow.db, beside the entries: after a hand-over they are cut anew, perhaps by an agent whose own file was
 * lost, and what was sold in the old store must not go up as the new one's. A payflow.db that was restored has forgotten
 * the newest, and then the agent file's number says that it has begun.
 */
import type { TillDatabase } from '../till/till-database.ts';
import type { AgentFile } from './agent-file.ts';

/** Ascending; each holds for the entries behind `afterSeq`, up to where the next one begins. */
export interface RegistrationSpan {
  readonly registration: number;
  readonly afterSeq: number;
}

/** How far units of an earlier version's agent file went under each registration. */
export interface RegistrationEnd {
  readonly registration: number;
  readonly lastSeq: number;
}

const META = 'registrations';

/** @returns the registration of an entry (undefined: none has begun), and up to where it holds */
export function registrationAt(
  spans: readonly RegistrationSpan[],
  seq: number,
): { readonly registration: number | undefined; readonly lastSeq: number } {
  const next = spans.findIndex(({ afterSeq }, index) => index > 0 && afterSeq >= seq);
  const at = next === -1 ? spans.length - 1 : next - 1;
  return { registration: spans[at]?.registration, lastSeq: spans[next]?.afterSeq ?? Infinity };
}

/** @param newest the registration that an earlier version's agent file names, perhaps with no unit under it yet */
export function spansFrom(
  ends: readonly RegistrationEnd[],
  newest: number | undefined,
): readonly RegistrationSpan[] {
  const begun = ends.map(({ registration }) => registration);
  if (newest !== undefined && newest > (begun.at(-1) ?? 0)) begun.push(newest);
  return begun.map((registration, index) => ({ registration, afterSeq: ends[index - 1]?.lastSeq ?? 0 }));
}

export class Registrations {
  readonly #till: TillDatabase;
  #spans: readonly RegistrationSpan[];

  constructor(till: TillDatabase) {
    this.#till = till;
    this.#spans = JSON.parse(till.getMeta(META) ?? '[]') as RegistrationSpan[];
  }

  /** What an earlier version noted in the agent file, which is known to be this till's file's. */
  adopt(agentFile: AgentFile): void {
    if (this.#spans.length > 0) return;
    const spans = spansFrom(agentFile.registrationEnds(), agentFile.registration);
    if (spans.length > 0) this.#keep(spans);
  }

  get newest(): number | undefined {
    return this.#spans.at(-1)?.registration;
  }

  at(seq: number) {
    return registrationAt(this.#spans, seq);
  }

  begin(registration: number, afterSeq: number): void {
    this.#keep([...this.#spans, { registration, afterSeq: this.newest === undefined ? 0 : afterSeq }]);
  }

  #keep(spans: readonly RegistrationSpan[]): void {
    this.#till.write(() => this.#till.setMeta(META, JSON.stringify(spans)));
    this.#spans = spans;
  }
}
