/** Which changes the centre has not answered, oldest first: what is published again, and what may be forgotten. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { SENT_AGAIN } from './flight.ts';
import type { AgentFile } from '../units/agent-file.ts';

const AT_ONCE = 500;

export class OpenUnits {
  readonly #agentFile: AgentFile;
  readonly #answered: Statement<[string, number]>;
  #incarnation = '';
  #round = 0;
  /** All changes up to this one are answered. */
  #settled = 0;

  constructor(db: SqliteDatabase, agentFile: AgentFile) {
    this.#agentFile = agentFile;
    this.#answered = db.prepare(
      `SELECT 1 FROM sync_settled WHERE incarnation = ? AND change = ? AND waits <> ${SENT_AGAIN}`,
    );
  }

  /** Number of the oldest; undefined: all are answered. */
  oldest(): number | undefined {
    const { changes, incarnation, round } = this.#agentFile;
    // What is cut anew may have lower numbers, also under the same name.
    if (this.#incarnation !== incarnation || this.#round !== round) this.#settled = 0;
    this.#incarnation = incarnation;
    this.#round = round;
    for (;;) {
      const numbers = changes.numbersAfter(this.#settled, AT_ONCE);
      if (numbers.length === 0) return undefined;
      for (const number of numbers) {
        if (this.#answered.get(incarnation, number) === undefined) return number;
        this.#settled = number;
      }
    }
  }

  settledUpTo(): number {
    return (this.oldest() ?? this.#agentFile.chain.lastSeq + 1) - 1;
  }
}
