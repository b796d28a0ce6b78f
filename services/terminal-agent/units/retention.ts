/**
 * Forgets units that were settled long ago, a few at a time and only while the app is quiet. A refused insert is still
 * needed, and what came after it: a retry at the centre may yet link its row.
 */
import type { Logger } from 'pino';
import { type Service, sleep, supervise } from '../../shared/lifecycle.ts';
import { isMendedOutside } from '../mended-outside.ts';
import { takenSoFar } from '../take-over/old-file.ts';
import { oldTables } from '../take-over/set-aside.ts';
import { quoteName } from '../till/local-schema.ts';
import type { AgentFile } from './agent-file.ts';
import type { Flight } from '../settle/flight.ts';
import type { TillDatabase } from '../till/till-database.ts';
import { waitForApp } from '../till/write-gate.ts';

export interface RetentionOptions {
  readonly till: TillDatabase;
  readonly agentFile: AgentFile;
  readonly flight: Flight;
  readonly settledSeq: () => number;
  readonly log: Logger;
  readonly now?: () => number;
  readonly keepDays?: number;
  readonly rowsAtOnce?: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const LOOK_MS = 10 * 60 * 1000;

export class TillRetention implements Service {
  readonly name = 'till-retention';
  readonly #options: RetentionOptions;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** What a version before has left, a table at a time. @returns whether more is there */
  removeOldTable(): boolean {
    const { till } = this.#options;
    if (takenSoFar(till.db) !== undefined) return false;
    const [table, ...more] = oldTables(till.db);
    if (table === undefined) return false;
    till.write(() => till.db.exec(`DROP TABLE ${quoteName(table)}`));
    return more.length > 0;
  }

  /** One short transaction. @returns how many changes went; 0: nothing left to remove, or the app is busy */
  purgeSome(): number {
    const { till, agentFile, flight, settledSeq, keepDays = 30, rowsAtOnce = 500 } = this.#options;
    const last = agentFile.last();
    if (last === undefined || !till.gate.isOpen) return 0;
    const before = (this.#options.now ?? Date.now)() - keepDays * DAY_MS;
    const upToSeq = Math.min(settledSeq(), last.firstSeq - 1);
    const refused = new Set(flight.refusedUpTo(upToSeq).map(({ number }) => number));
    let newest = 0;
    for (const { number, atMs } of agentFile.changes.after(0, rowsAtOnce)) {
      // Of one that is answered, and whose image waits for another row, the cut is asked for yet.
      if (flight.get(number) !== undefined) break;
      if (number > upToSeq || atMs >= before || refused.has(number)) break;
      newest = number;
    }
    const purged = agentFile.purge(newest);
    if (purged === 0) return 0;
    till.write(() =>
      till.db
        .prepare('DELETE FROM sync_settled WHERE incarnation = ? AND change < ?')
        .run(agentFile.incarnation, agentFile.changes.firstNumber()),
    );
    return purged;
  }

  /** Outcomes of the files that this one went on from: nothing asks for them once it has. @returns how many went */
  forgetFormer(): number {
    const { till, agentFile, rowsAtOnce = 500 } = this.#options;
    if (agentFile.waiting !== null || !till.gate.isOpen) return 0;
    const former = till.db
      .prepare<[string, number], { incarnation: string; change: number }>(
        'SELECT incarnation, change FROM sync_settled WHERE incarnation <> ? LIMIT ?',
      )
      .all(agentFile.incarnation, rowsAtOnce);
    if (former.length === 0) return 0;
    till.write(() => {
      const forget = till.db.prepare('DELETE FROM sync_settled WHERE incarnation = ? AND change = ?');
      for (const { incarnation, change } of former) forget.run(incarnation, change);
    });
    return former.length;
  }

  async run(signal: AbortSignal): Promise<void> {
    await supervise(signal, { log: this.#options.log, endures: isMendedOutside }, async (ready) => {
      for (let isMore = true; isMore && !signal.aborted;) {
        await waitForApp(this.#options.till.gate, signal);
        if (signal.aborted) return;
        isMore = this.removeOldTable();
      }
      while (!signal.aborted) {
        await waitForApp(this.#options.till.gate, signal);
        if (signal.aborted) return;
        const purged = this.purgeSome() + this.forgetFormer();
        ready();
        if (purged === 0) await sleep(LOOK_MS, signal);
      }
    });
  }
}
