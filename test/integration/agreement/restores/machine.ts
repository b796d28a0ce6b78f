/** A machine of the till: its files, which may be kept, put back and lost, and an agent that may die at any of its commits. */
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { asPayflowError } from '../../../../services/shared/errors.ts';
import type { EventLog } from '../../../../services/shared/log/event-log.ts';
import { joinPieces } from '../../../../services/shared/records/change-pieces.ts';
import { decodeUnitRecord } from '../../../../services/shared/records/unit-codec.ts';
import type { UnitChange } from '../../../../services/shared/records/unit-record.ts';
import { ModelTill, type OpenFiles, type TillSetup } from '../till.ts';

const PARTS = ['', '-wal', '-shm'];

/** What was put aside of the two files, at one moment. */
export interface Kept {
  readonly file: string;
  readonly agentFile: string;
}

export type Way =
  'by a backup while the agent runs' | 'by a rename while the agent runs' | 'while the agent is away';
export type What = 'payflow.db' | 'both files' | 'payflow.db, and the agent file is lost';

export class Machine {
  readonly till: ModelTill;
  /** As given: the till's own one dies with it. */
  readonly setup: TillSetup;
  readonly #dying: Dying;
  #kept = 0;

  private constructor(setup: TillSetup, till: ModelTill, dying: Dying) {
    this.setup = setup;
    this.till = till;
    this.#dying = dying;
  }

  static async open(setup: TillSetup, kept?: Kept): Promise<Machine> {
    mkdirSync(setup.folder, { recursive: true });
    if (kept !== undefined) {
      put(kept.file, join(setup.folder, `${setup.id}.db`));
      put(kept.agentFile, join(setup.folder, `${setup.id}.agent.db`));
    }
    const dying = new Dying();
    const till = await ModelTill.open({
      ...setup,
      localSchema: kept === undefined ? setup.localSchema : '',
      eventLog: dying.log(setup.eventLog),
      onOpen: (files) => dying.watch(files),
    });
    return new Machine(setup, till, dying);
  }

  get agentFile(): string {
    const { folder, id } = this.till.setup;
    return join(folder, `${id}.agent.db`);
  }

  /** A step of the agent, which may die in it or find another file, and then starts again. */
  async step(body: (till: ModelTill) => unknown): Promise<void> {
    try {
      await body(this.till);
    } catch (error) {
      if (!this.#dying.isDead && asPayflowError(error).code !== 'TERMINAL_DB_REPLACED') throw error;
      await this.restart();
    }
  }

  async restart(): Promise<void> {
    for (;;) {
      this.#dying.isDead = false;
      if (this.till.isRunning) this.till.stop();
      try {
        await this.till.start();
        return;
      } catch (error) {
        if (!this.#dying.isDead) throw error;
      }
    }
  }

  /** @param commits after so many of the agent's commits, or before the next, it dies; 0: never */
  dieAfter(commits: number): void {
    this.#dying.left = commits;
  }

  async keep(): Promise<Kept> {
    this.#kept += 1;
    const kept = {
      file: join(this.till.setup.folder, `kept-${this.#kept}.db`),
      agentFile: join(this.till.setup.folder, `kept-${this.#kept}.agent.db`),
    };
    await backUp(this.till.file, kept.file);
    await backUp(this.agentFile, kept.agentFile);
    return kept;
  }

  /** @param sellFirst what the app does before the agent looks */
  async restore(kept: Kept, way: Way, what: What, sellFirst: () => void): Promise<void> {
    const { till } = this;
    if (what === 'payflow.db' && way === 'by a backup while the agent runs') {
      await backUp(kept.file, till.file);
      sellFirst();
      return;
    }
    const isAway = what !== 'payflow.db' || way === 'while the agent is away';
    if (isAway) till.stop();
    till.app.close();
    put(kept.file, till.file);
    if (what === 'both files') put(kept.agentFile, this.agentFile);
    if (what === 'payflow.db, and the agent file is lost') remove(this.agentFile);
    till.app = new Database(till.file);
    sellFirst();
    if (isAway) await this.restart();
  }

  async loseAgentFile(): Promise<void> {
    this.till.stop();
    remove(this.agentFile);
    await this.restart();
  }

  /** Numbers of the tickets that only the agent file may still have. */
  cutTickets(): string[] {
    const { agentFile } = this.till.agent;
    return agentFile.all().flatMap(({ number }) => {
      const units = agentFile.changes.parts(number).flatMap((bytes) => decodeUnitRecord(bytes).units);
      return ticketsIn(joinPieces(units.flatMap(({ changes }) => changes)));
    });
  }

  tickets(): string[] {
    return this.till.app.prepare<[], string>('SELECT number FROM tickets').pluck().all();
  }

  close(): void {
    this.till.close();
  }
}

/** Of tickets that are inserted. */
export function ticketsIn(changes: readonly UnitChange[]): string[] {
  return changes
    .filter(({ table, op }) => table === 'tickets' && (op === 'c' || op === 'r'))
    .flatMap(({ columns }) =>
      columns.filter(({ name }) => name === 'number').map((column) => String(column.new)),
    );
}

/** What an agent commits, one after the other, and whether it outlives that. */
class Dying {
  /** 0: it lives. */
  left = 0;
  isDead = false;

  #commit<T>(body: () => T): T {
    if (this.isDead) throw new Killed();
    const dies = this.left > 0 && --this.left === 0;
    // Every other time it dies before.
    if (dies && this.#isBefore()) throw new Killed();
    const done = body();
    if (!dies) return done;
    this.isDead = true;
    throw new Killed();
  }

  #count = 0;
  #isBefore(): boolean {
    this.#count += 1;
    if (this.#count % 2 === 0) return false;
    this.isDead = true;
    return true;
  }

  log(eventLog: EventLog): EventLog {
    return new Proxy(eventLog, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        const bound = value.bind(target) as (...given: unknown[]) => unknown;
        if (name !== 'append') return bound;
        return async (...given: unknown[]) => {
          const done = await bound(...given);
          return this.#commit(() => done);
        };
      },
    });
  }

  watch({ till, agentFile }: OpenFiles): void {
    const points: readonly [object, readonly string[], () => boolean][] = [
      [agentFile, ['setMeta', 'renounce', 'renamed', 'goOn', 'markPublished', 'add', 'claim'], () => false],
      [till, ['write', 'rename', 'makeDurable', 'useIncarnation'], () => till.db.inTransaction],
    ];
    for (const [object, names, isWithin] of points)
      for (const name of names) {
        const method = (Reflect.get(object, name) as (...given: unknown[]) => unknown).bind(object);
        Reflect.set(object, name, (...given: unknown[]) =>
          isWithin() ? method(...given) : this.#commit(() => method(...given)),
        );
      }
  }
}

class Killed extends Error {}

function put(kept: string, file: string): void {
  remove(file);
  copyFileSync(kept, file);
}

function remove(file: string): void {
  for (const part of PARTS) rmSync(file + part, { force: true });
}

/** A backup that meets a lock ends without a word, and without effect. */
async function backUp(from: string, to: string): Promise<void> {
  for (;;) {
    const db = new Database(from, { readonly: true });
    try {
      const { totalPages } = await db.backup(to);
      if (totalPages > 0 && existsSync(to)) return;
    } finally {
      db.close();
    }
  }
}
