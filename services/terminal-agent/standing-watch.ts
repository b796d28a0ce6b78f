/** Takes the steps of standing.ts: at start and whenever something was read, cut or found wrong. */
import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { errorLine } from '../shared/errors.ts';
import type { Health } from '../shared/lifecycle.ts';
import type { TillApply } from './apply.ts';
import { CONFIRMED_SEQ } from './apply-transaction.ts';
import { WRITES_BEFORE } from './capture.ts';
import { isReadTo } from './settlement.ts';
import { nextStep, type Standing, type TillStanding } from './standing.ts';
import type { TillDatabase } from './till/till-database.ts';
import type { AgentFile } from './units/agent-file.ts';
import { markAllUnswept } from './file/unswept.ts';
import { SENT_AGAIN } from './settle/flight.ts';
import { goOn } from './settle/unsettled-units.ts';

export interface StandingWatchOptions {
  readonly till: TillDatabase;
  readonly agentFile: AgentFile;
  readonly apply: TillApply;
  readonly topics: { readonly catalog: string; readonly store: string };
  readonly standing: TillStanding;
  /** Of this enrolment: what the centre said of an earlier one is past. */
  readonly token: string;
  readonly newIncarnation: () => string;
  readonly log: Logger;
  readonly onHealth?: ((health: Health) => void) | undefined;
  /** Told when it changed. */
  readonly onChange: () => void;
}

/** In sync_meta: the enrolment that the centre has retired. */
const RETIRED_ENROLMENT = 'retired_enrolment';

export class StandingWatch {
  readonly #options: StandingWatchOptions;
  readonly #enrolment: string;
  /** Found at start: see TillCapture.checkFile. */
  #fileDoubt: string | null = null;
  /** What was last said of it. */
  #told: Standing | undefined;

  constructor(options: StandingWatchOptions) {
    this.#options = options;
    this.#enrolment = createHash('sha256').update(options.token).digest('hex').slice(0, 16);
  }

  /** @param doubt what is wrong with the file, where that was found */
  start(doubt: string | null): void {
    this.#fileDoubt = doubt;
    this.look();
  }

  /** One step after another, until nothing more follows from what is known. */
  look(): void {
    while (this.#step());
    const { current } = this.#options.standing;
    const before = this.#told;
    const why = (each: Standing | undefined) => (each === undefined || each.kind === 'ok' ? '' : each.why);
    if (before?.kind === current.kind && why(before) === why(current)) return;
    this.#told = current;
    this.#tell(before);
  }

  /** @returns whether another one may follow */
  #step(): boolean {
    const { till, agentFile, apply, standing, newIncarnation } = this.#options;
    this.#rename();
    const step = nextStep({
      incarnation: agentFile.incarnation,
      waiting: agentFile.waiting,
      doubt: this.#fileDoubt ?? apply.doubt,
      progress: this.#progress(),
      isRead: this.#isRead,
    });
    switch (step.kind) {
      case 'go on': {
        // Until it has sold again no unit proves that it is this file.
        till.makeDurable();
        agentFile.setMeta(WRITES_BEFORE, String(till.proof.writes));
        // Nobody knows what was written to the file while it was somebody else's, or nobody's.
        till.write(() => markAllUnswept(till.db, { deletes: false }));
        const gone = goOn(till, agentFile);
        // This name is that of the file whose units they are.
        if (gone.as === 'older, with units that no log has')
          this.#fileDoubt = `${till.db.name} was put back to an older one while it waited`;
        apply.flight.reload();
        this.#options.log.info(
          { incarnation: agentFile.incarnation, ...gone },
          'this file goes on; what is not settled goes up',
        );
        return true;
      }
      case 'renounce':
        this.#reopen();
        agentFile.renounce({ why: step.why, isAnotherFile: this.#fileDoubt !== null }, newIncarnation());
        this.#rename();
        this.#fileDoubt = null;
        apply.doubt = null;
        return true;
      case 'stand':
        if (step.standing.kind === 'retired') this.#noteRetired();
        standing.set(step.standing);
        return false;
    }
  }

  /** Two files: a crash between them is made good at the next step. */
  #rename(): void {
    const { till, agentFile, apply } = this.#options;
    const { renamedFrom } = agentFile;
    if (renamedFrom === undefined) return;
    till.rename(renamedFrom, agentFile.incarnation);
    agentFile.renamed();
    apply.flight.reload();
  }

  /**
   * What only row records have settled may have answered the same numbers of a copy: it goes up again, and where it
   * was this file's after all, the centre knows it. The rows show those answers already, so that it is no flight again.
   */
  #reopen(): void {
    const { till, apply } = this.#options;
    const confirmed = till.getMeta(CONFIRMED_SEQ) ?? apply.progress?.lastSeq ?? 0;
    till.write(() => {
      const after = [till.incarnation, Number(confirmed)] as const;
      till.db
        .prepare('DELETE FROM sync_settled WHERE incarnation = ? AND change > ? AND waits = 1')
        .run(...after);
      till.db
        .prepare(`UPDATE sync_settled SET waits = ${SENT_AGAIN} WHERE incarnation = ? AND change > ?`)
        .run(...after);
    });
    apply.flight.reload();
  }

  get #isRead(): boolean {
    const { apply, topics } = this.#options;
    return isReadTo(apply.progress, {
      catalog: apply.checkpoints.reach(topics.catalog),
      store: apply.checkpoints.reach(topics.store),
    });
  }

  /** What the centre said of an enrolment before this one does not count. */
  #progress() {
    const { apply, till } = this.#options;
    const { progress } = apply;
    if (progress?.standing.kind !== 'retired') return progress;
    const retired = till.getMeta(RETIRED_ENROLMENT);
    return retired === undefined || retired === this.#enrolment ? progress : null;
  }

  #noteRetired(): void {
    const { till } = this.#options;
    if (till.getMeta(RETIRED_ENROLMENT) === this.#enrolment) return;
    till.write(() => till.setMeta(RETIRED_ENROLMENT, this.#enrolment));
  }

  /** Once for each change, not at each look. */
  #tell(before: Standing | undefined): void {
    const { standing, log, onHealth, onChange } = this.#options;
    const { refusal } = standing;
    onHealth?.(refusal === undefined ? { state: 'ready' } : { state: 'unready', error: refusal });
    if (refusal !== undefined) {
      const sells = 'The till sells on; nothing goes up until then.';
      const level = standing.current.kind === 'announced' ? 'warn' : 'error';
      log[level]({ code: refusal.code }, `${errorLine(refusal)} ${sells}`);
    } else if (before !== undefined) log.info('the till is in order with the centre again');
    onChange();
  }
}
