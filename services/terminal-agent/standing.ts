/**
 * How this till stands with the centre, and so what its parts may do. One place: capture, publisher, apply, status
 * and health read it. Whoever finds something wrong with the file stops it at once; `StandingWatch` takes it from there.
 *
 * |                                      | cut, publish | settle | rows ↓ | flush, bootstrap |
 * |--------------------------------------|--------------|--------|--------|------------------|
 * | ok                                   | yes          | yes    | yes    | yes              |
 * | announced: another file than before, which the centre has not accepted yet | no | no | yes | refused, TERMINAL_ANNOUNCED |
 * | fenced: it may not be the file that the centre knows | no | no | yes | refused, TERMINAL_FENCED |
 * | retired: out of service              | no           | no     | no     | refused, TERMINAL_RETIRED |
 *
 * The app sells on in all of them: its triggers write the outbox, and nothing of that is lost.
 */
import { PayflowError } from '../shared/errors.ts';
import type { Progress } from './settlement.ts';

export type Standing =
  | { readonly kind: 'ok' }
  | { readonly kind: 'announced'; readonly why: string }
  | { readonly kind: 'fenced'; readonly why: string }
  | { readonly kind: 'retired'; readonly why: string };

export class TillStanding {
  #current: Standing = { kind: 'ok' };

  get current(): Standing {
    return this.#current;
  }

  /** What whoever asks for a sync is told; undefined: all is in order. */
  get refusal(): PayflowError | undefined {
    switch (this.#current.kind) {
      case 'ok':
        return undefined;
      case 'announced':
        return new PayflowError('TERMINAL_ANNOUNCED', this.#current.why);
      case 'fenced':
        return new PayflowError('TERMINAL_FENCED', this.#current.why);
      case 'retired':
        return new PayflowError('TERMINAL_RETIRED', this.#current.why);
    }
  }

  set(standing: Standing): void {
    this.#current = standing;
  }
}

/** Why this file does not go on by itself, as the agent file keeps it; the name under which it would is its own. */
export interface Waiting {
  readonly why: string;
  /** The incarnation under which it sent before. */
  readonly predecessor: string | null;
  /** payflow.db was another one than the units are of: those go up under the name before, whatever file comes next. */
  readonly isAnotherFile?: boolean | undefined;
  /** The log may have its name, so that the centre may go on with it: nothing goes up under the name before any more. */
  readonly isAnnounced?: boolean | undefined;
}

export interface StandingFacts {
  readonly incarnation: string;
  /** null: this file goes on as it is. */
  readonly waiting: Waiting | null;
  /** What was found wrong with the file itself. */
  readonly doubt: string | null;
  /** The newest that the centre said of this till. */
  readonly progress: Pick<Progress, 'incarnation' | 'standing'> | null;
  /** Both streams are read to where that stood: what the till has answered before it is in the file. */
  readonly isRead: boolean;
}

export type StandingStep =
  | { readonly kind: 'stand'; readonly standing: Standing }
  /** The file takes a new name, is fenced under it, and announces it. */
  | { readonly kind: 'renounce'; readonly why: string }
  /** The centre names the name that this file took: it goes on. */
  | { readonly kind: 'go on' };

/**
 * | the file        | the centre says of the till                        | then                                    |
 * |-----------------|----------------------------------------------------|-----------------------------------------|
 * | any             | retired                                            | retired                                 |
 * | waits           | this name goes on, all in order; both streams are read up to that | go on                    |
 * | waits           | nothing yet, the name before, all in order, or this name and that is not read yet | announced |
 * | waits           | anything else                                      | fenced: a person decides                |
 * | is in doubt     | not retired                                        | renounce                                |
 * | is in order     | fenced (any file of the till)                      | renounce: another one may bear the same name |
 * | is in order     | another name goes on                               | renounce                                |
 * | is in order     | nothing yet, or this name, all in order            | ok                                      |
 */
export function nextStep({ incarnation, waiting, doubt, progress, isRead }: StandingFacts): StandingStep {
  const said = progress?.standing ?? { kind: 'ok' };
  const named = progress === null || progress.incarnation === incarnation;
  if (said.kind === 'retired') return { kind: 'stand', standing: said };
  if (waiting !== null) {
    if (progress !== null && named && said.kind === 'ok' && isRead) return { kind: 'go on' };
    const isOpen = progress === null || named || progress.incarnation === waiting.predecessor;
    const kind = said.kind === 'ok' && isOpen ? 'announced' : 'fenced';
    return { kind: 'stand', standing: { kind, why: waiting.why } };
  }
  if (doubt !== null) return { kind: 'renounce', why: doubt };
  if (said.kind === 'fenced') return { kind: 'renounce', why: said.why };
  if (!named) {
    return { kind: 'renounce', why: `another file of this till goes on, as ${progress.incarnation}` };
  }
  return { kind: 'stand', standing: { kind: 'ok' } };
}
