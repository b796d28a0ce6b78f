/**
 * Performs the refusal ladder (refusal-ladder.ts) for one group: together, unit by unit, and at last aside. Whatever
 * a record holds, its group ends here: applied, held or in dead letters. Only what concerns everybody is thrown.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { asPayflowError, PayflowError } from '../shared/errors.ts';
import { Backoff, sleep } from '../shared/lifecycle.ts';
import { inTransaction, postgresFacts } from '../shared/database/postgres.ts';
import { Judgement, type Passes } from './evidence-of-cause.ts';
import { saidBy } from './failure.ts';
import { applyIn, MappingChanged, type Group, type GroupResult, type Mode } from './group.ts';
import { HeldSizes } from './held-bounds.ts';
import { endHolds, notePasses, readHolds, saveHolds, type NewHold } from './holds.ts';
import { nextForGroup } from './refusal-ladder.ts';
import { loadModel, type CentralModel } from './rows/model.ts';
import type { ForeignChange } from './rows/apply-units.ts';
import { Session } from './rows/sql.ts';

export interface GroupApplierOptions {
  readonly pool: Pool;
  readonly log: Logger;
  readonly passes: Passes;
  /** Kinds of writes for which tills wait, by `writeOf`. */
  readonly awaited: () => ReadonlySet<string>;
}

/** Longer than any group of ours has rows, and short enough for those behind it. */
export const LOCK_TIMEOUT_MS = 2_000;
/** In a group that has failed already: a row that somebody keeps must not cost each unit that long. */
const SHORT_LOCK_TIMEOUT_MS = 300;
/** A mapping that changes under every try is somebody's loop. */
const MODEL_LOADS = 5;
/** A model as young as this fits the schema, as far as a failure can tell. */
const MODEL_SETTLES_MS = 2_000;

export class GroupApplier {
  readonly #options: GroupApplierOptions;
  #model: CentralModel | null = null;
  #loadedAtMs = -Infinity;
  readonly #sizes = new HeldSizes();

  constructor(options: GroupApplierOptions) {
    this.#options = options;
  }

  /** null until the first group. */
  get model(): CentralModel | null {
    return this.#model;
  }

  /**
   * @throws PayflowError in an outage, or when our own tables refuse; after DB_UNREACHABLE the group may or may not
   *   be applied, and is safe to repeat
   */
  async apply(group: Group): Promise<GroupResult> {
    const result = await this.#climb(group);
    warnOfForeign(result.foreign, this.#options.log);
    this.#options.passes.note(result.passed);
    await this.#tellWaiting(group, result);
    return result;
  }

  async endHold(terminal: string): Promise<void> {
    await inTransaction(this.#options.pool, (client) => endHolds(new Session(client), [terminal]));
  }

  async #climb(group: Group): Promise<GroupResult> {
    const backoff = new Backoff({ firstMs: 20, maxMs: 500 });
    const { log } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#try(group, { kind: 'together' }, LOCK_TIMEOUT_MS);
      } catch (thrown) {
        const error = await this.#ofPart(thrown);
        if (attempt === 1 && this.#mayBeStale(error)) this.#model = null;
        else if (nextForGroup(saidBy(error).code, attempt) === 'unit by unit') {
          log.info({ ...withoutValues(error), code: error.code }, 'a group failed; applying it unit by unit');
          break;
        } else await sleep(backoff.next());
      }
    }
    try {
      const holds = await readHolds(this.#options.pool);
      const judgement = new Judgement(holds, this.#options.passes);
      return await this.#try(group, { kind: 'unit by unit', judgement }, SHORT_LOCK_TIMEOUT_MS);
    } catch (thrown) {
      const error = await this.#ofPart(thrown);
      log.warn({ ...withoutValues(error), code: error.code }, 'a group failed unit by unit too');
      return group.consumed === null
        ? this.#hold(group, error)
        : this.#try(group, { kind: 'aside' }, LOCK_TIMEOUT_MS);
    }
  }

  /** Not for every till that is tried while a table is missing: the model is everybody's. */
  #mayBeStale(error: PayflowError): boolean {
    const isOld = performance.now() - this.#loadedAtMs > MODEL_SETTLES_MS;
    return error.code === 'DB_SCHEMA' && saidBy(error).code !== '42501' && isOld;
  }

  async #load(): Promise<CentralModel> {
    this.#model = await loadModel(this.#options.pool);
    this.#loadedAtMs = performance.now();
    return this.#model;
  }

  async #try(group: Group, mode: Mode, lockTimeoutMs: number): Promise<GroupResult> {
    const { pool, log } = this.#options;
    for (let loads = 1; ; loads += 1) {
      const model = this.#model ?? (await this.#load());
      try {
        return await inTransaction(
          pool,
          (client) => applyIn(new Session(client), group, { model, log, mode, sizes: this.#sizes }),
          {
            lockTimeoutMs,
          },
        );
      } catch (error) {
        this.#sizes.forget(group.records.map(({ record }) => record.terminal));
        if (!(error instanceof MappingChanged) || loads >= MODEL_LOADS) throw error;
        this.#model = null;
      }
    }
  }

  /**
   * @returns the error, when others can work
   * @throws PayflowError when nobody can: the connection is lost, or an empty transaction fails too
   */
  async #ofPart(thrown: unknown): Promise<PayflowError> {
    const error = asPayflowError(thrown);
    // Nothing was said by a server: the network, or a server that is gone.
    if (error.code === 'DB_UNREACHABLE' && postgresFacts(error) === null) throw error;
    await probe(this.#options.pool, error);
    return error;
  }

  /** The till of held records waits on: not even its transaction could be worked through. */
  async #hold({ records }: Group, error: PayflowError): Promise<GroupResult> {
    const terminals = [...new Set(records.map(({ record }) => record.terminal))];
    const failure = saidBy(error);
    const stopped = terminals.map((terminal): NewHold => ({ terminal, state: 'waiting', failure }));
    await inTransaction(this.#options.pool, (client) => saveHolds(new Session(client), stopped));
    return {
      units: 0,
      changes: 0,
      duplicateUnits: 0,
      heldRecords: records.length,
      refusedRecords: 0,
      outcomes: new Map(),
      withHeld: new Set(),
      stopped,
      refusedTills: [],
      passed: new Set(),
      foreign: [],
    };
  }

  /** Only while anybody waits, and only of what they wait for. */
  async #tellWaiting({ records }: Group, { passed, stopped }: GroupResult): Promise<void> {
    const awaited = this.#options.awaited();
    const writes = [...passed].filter((write) => awaited.has(write));
    if (writes.length === 0) return;
    const waiting = new Set(stopped.map(({ terminal }) => terminal));
    const except = [...new Set(records.map(({ record }) => record.terminal))].filter((till) =>
      waiting.has(till),
    );
    await inTransaction(this.#options.pool, (client) => notePasses(new Session(client), writes, { except }));
  }
}

/** Thrown to end a probe without leaving anything. */
class ProbeEnds extends Error {}

/**
 * Whether the centre works at all: a session, a transaction, a small write.
 * @throws PayflowError when it does not
 */
async function probe(pool: Pool, failed: PayflowError): Promise<void> {
  try {
    await inTransaction(
      pool,
      async (client) => {
        await new Session(client).rows(
          `INSERT INTO payflow_sync.hold (terminal_id, reason, state, code, message) VALUES (gen_random_uuid()::text, 'probe', '', '', '')`,
        );
        throw new ProbeEnds();
      },
      { lockTimeoutMs: LOCK_TIMEOUT_MS },
    );
  } catch (thrown) {
    const error = asPayflowError(thrown);
    if (error.cause instanceof ProbeEnds) return;
    if (failed.retry === 'timed') throw failed;
    throw new PayflowError('DB_TRANSIENT', `the centre takes no writes: ${error.message}`, { cause: error });
  }
}

/** What PostgreSQL says of a refused row may hold its values; they belong into the dead letter only. */
function withoutValues(error: PayflowError): Record<string, unknown> {
  const facts = postgresFacts(error);
  return facts === null ? { err: error } : { refused: facts };
}

/** Once per till, table and kind; never what stood in the rows. */
function warnOfForeign(foreign: readonly ForeignChange[], log: Logger): void {
  const kinds = new Map<string, ForeignChange & { changes: number }>();
  for (const change of foreign) {
    const name = `${change.terminal}\0${change.table}\0${change.refused}`;
    kinds.set(name, { ...change, changes: (kinds.get(name)?.changes ?? 0) + 1 });
  }
  for (const { terminal, table, refused, changes } of kinds.values()) {
    const what = refused
      ? `terminal ${terminal} may not change rows of another store: refused, see \`payflow dead-letters list\``
      : `terminal ${terminal} refers to rows of another store`;
    log.warn({ ...(refused && { code: 'CHANGE_NOT_ALLOWED' }), terminal, table, changes }, what);
  }
}
