/**
 * Removes outbox rows that were settled long ago, a few at a time and only while the app is quiet. The rows of
 * the last unit stay: at every start they prove that payflow.db is still the file we know.
 */
import type { Logger } from 'pino';
import { type Service, sleep, supervise } from '../../shared/lifecycle.ts';
import { isMendedOutside } from '../mended-outside.ts';
import type { AgentFile } from './agent-file.ts';
import { quoteName } from '../till/local-schema.ts';
import type { TillDatabase } from '../till/till-database.ts';

export interface RetentionOptions {
  readonly till: TillDatabase;
  readonly agentFile: AgentFile;
  readonly settledSeq: () => number;
  readonly log: Logger;
  readonly now?: () => number;
  readonly keepDays?: number;
  readonly rowsAtOnce?: number;
}

/** A refused insert is still needed: a retry at the centre may yet link its row. */
const DONE = `outcome IS NOT NULL AND outcome <> 'rejected'`;
const DAY_MS = 24 * 60 * 60 * 1000;
const LOOK_MS = 10 * 60 * 1000;

export class TillRetention implements Service {
  readonly name = 'till-retention';
  readonly #options: RetentionOptions;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** One short transaction. @returns how many entries went; 0: nothing left to remove, or the app is busy */
  purgeSome(): number {
    const { till, agentFile, settledSeq, keepDays = 30, rowsAtOnce = 500 } = this.#options;
    const last = agentFile.last();
    if (last === undefined || till.gate.waitMs() > 0) return 0;
    const upToSeq = Math.min(settledSeq(), last.firstSeq - 1);
    const before = (this.#options.now ?? Date.now)() - keepDays * DAY_MS;
    const old = till.db
      .prepare<[number, number, number], { seq: number; table_name: string }>(
        `SELECT seq, table_name FROM sync_outbox WHERE seq <= ? AND captured_at_ms < ? AND ${DONE} ORDER BY seq LIMIT ?`,
      )
      .all(upToSeq, before, rowsAtOnce);
    const newest = old.at(-1);
    if (newest === undefined) return 0;
    till.write(() => {
      for (const table of new Set(old.map((entry) => entry.table_name))) {
        const change = quoteName(`sync_change_${table}`);
        till.db
          .prepare(
            `DELETE FROM ${change} WHERE seq IN (SELECT seq FROM sync_outbox WHERE seq <= ? AND table_name = ? AND ${DONE})`,
          )
          .run(newest.seq, table);
      }
      till.db.prepare(`DELETE FROM sync_outbox WHERE seq <= ? AND ${DONE}`).run(newest.seq);
    });
    agentFile.purge(newest.seq);
    return old.length;
  }

  async run(signal: AbortSignal): Promise<void> {
    await supervise(signal, { log: this.#options.log, endures: isMendedOutside }, async (ready) => {
      while (!signal.aborted) {
        const purged = this.purgeSome();
        ready();
        if (purged === 0) await sleep(LOOK_MS, signal);
        else await sleep(this.#options.till.gate.waitMs(), signal);
      }
    });
  }
}
