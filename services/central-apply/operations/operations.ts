/**
 * Carries out what operators ask (payflow_sync.operation). Each row is taken under a lock that other processes
 * pass over, and its result is written in the transaction that does the work: after a crash at any point it is
 * done once or asked for still.
 *
 *   it goes through                    → done, with its result; or waiting, with the result so far and a next step
 *   it is refused (PayflowError)       → all of it undone, failed, with code and message
 *   deadlock and the like, a few times → tried again, then failed with that code
 *   PostgreSQL is away                 → it stays waiting, and the service backs off
 *
 * A failure concerns that one operation: the next is taken. NOTIFY wakes it; where notifications do not come
 * through (a pooler), the slow look does.
 */
import type { Pool, PoolClient } from 'pg';
import type { Logger } from 'pino';
import { PayflowError } from '../../shared/errors.ts';
import { connect, inTransaction, postgresFacts, wrapPostgresError } from '../../shared/database/postgres.ts';
import { sleep, supervise, type Health, type Service } from '../../shared/lifecycle.ts';
import { OPERATIONS_CHANNEL, VERIFY_OPERATIONS, type OperationFailure } from '../../shared/operations.ts';
import { loadModel } from '../rows/model.ts';
import { Session, type Text } from '../rows/sql.ts';
import { handlerOf } from './kinds.ts';
import type { OperationStep } from './operation.ts';

export interface OperationsOptions {
  /** What operators ask for is not kept waiting by the questions of `verify`, which take their time. */
  readonly kinds: 'deeds' | 'questions';
  readonly pool: Pool;
  /** For LISTEN: sessions of their own, never through a pooler that deals in transactions. */
  readonly listenPool: Pool;
  /** Applies held records of a terminal that may go on now. */
  readonly release: (terminal: string) => Promise<void>;
  readonly log: Logger;
  readonly onHealth?: ((health: Health) => void) | undefined;
  readonly lookEveryMs?: number | undefined;
}

const LOOK_MS = 5_000;
const MOST_ATTEMPTS = 5;
const AGAIN_MS = 50;

interface Taken {
  readonly id: string;
  readonly step: OperationStep;
}

export class Operations implements Service {
  readonly name: string;
  readonly #options: OperationsOptions;
  /** Failures that may pass, by operation. */
  readonly #attempts = new Map<string, number>();
  #wake = new AbortController();

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.name = `operations: ${options.kinds}`;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, onHealth, listenPool, lookEveryMs = LOOK_MS } = this.#options;
    await supervise(signal, { log, ...(onHealth && { onHealth }) }, async (ready) => {
      const client = await connect(listenPool);
      const broken = this.#listen(client);
      try {
        await client.query(`LISTEN ${OPERATIONS_CHANNEL}`).catch((error: unknown) => {
          throw wrapPostgresError(error);
        });
        while (!signal.aborted) {
          this.#wake = new AbortController();
          while (!signal.aborted && (await this.runNext()));
          ready();
          await sleep(lookEveryMs, AbortSignal.any([signal, this.#wake.signal]));
          if (broken.error !== undefined) throw wrapPostgresError(broken.error);
        }
      } finally {
        client.release(true);
      }
    });
  }

  #listen(client: PoolClient): { error: Error | undefined } {
    const broken: { error: Error | undefined } = { error: undefined };
    client.on('notification', () => this.#wake.abort());
    client.on('error', (error) => {
      broken.error = error;
      this.#wake.abort();
    });
    return broken;
  }

  /** One step: takes one operation that waits and does it, or its next part. @returns whether there was one */
  async runNext(): Promise<boolean> {
    const { pool, release, log } = this.#options;
    let current: string | null = null;
    try {
      const taken = await inTransaction(pool, (client) => this.#runIn(client, (id) => (current = id)));
      if (taken === null) return false;
      this.#attempts.delete(taken.id);
      for (const terminal of taken.step.release ?? []) await release(terminal);
      return true;
    } catch (thrown) {
      const error = wrapPostgresError(thrown);
      if (current === null || error.code === 'DB_UNREACHABLE') throw error;
      const attempts = (this.#attempts.get(current) ?? 0) + 1;
      this.#attempts.set(current, attempts);
      if (error.retry === 'timed' && attempts < MOST_ATTEMPTS) {
        await sleep(AGAIN_MS * attempts);
        return true;
      }
      this.#attempts.delete(current);
      const facts = postgresFacts(error);
      const why = facts === null ? { err: error } : { refused: facts };
      log.warn({ operation: current, code: error.code, ...why }, 'an operation failed');
      await this.#fail(current, error);
      return true;
    }
  }

  async #runIn(client: PoolClient, taking: (id: string) => void): Promise<Taken | null> {
    const session = new Session(client);
    // What has begun gives way to what has not: one letter need not wait behind ten thousand.
    const [row] = await session.rows(
      `SELECT operation_id, kind, arguments, requested_by, why, result FROM payflow_sync.operation
        WHERE state = 'waiting' AND (kind = ANY ($1)) = $2 ORDER BY result IS NOT NULL, requested_at, operation_id LIMIT 1
          FOR UPDATE SKIP LOCKED`,
      [`{${VERIFY_OPERATIONS.join(',')}}`, String(this.#options.kinds === 'questions')],
    );
    if (row === undefined) return null;
    const [id = '', kind = '', args, by = '', why = null, before] = row;
    if (id === null) return null;
    taking(id);
    const handler = handlerOf(kind ?? '');
    if (handler === undefined) {
      throw new PayflowError('USAGE', `this version of central-apply does not know the operation ${kind}`);
    }
    const context = { session, model: await loadModel(client), by: by ?? '', why, log: this.#options.log };
    const step = await handler(context, parsed(args), parsed(before));
    // A constraint that is checked at the end must fail here, where its operation is known.
    await session.command('SET CONSTRAINTS ALL IMMEDIATE');
    await session.rows(
      `UPDATE payflow_sync.operation SET result = $2, state = CASE WHEN $3::boolean THEN 'done' ELSE state END,
              finished_at = CASE WHEN $3::boolean THEN clock_timestamp() END WHERE operation_id = $1::uuid`,
      [id, JSON.stringify(step.result), String(step.done)],
    );
    return { id, step };
  }

  async #fail(id: string, error: PayflowError): Promise<void> {
    const { code, details } = error;
    const failure: OperationFailure = { code, message: withoutValues(error), details };
    await inTransaction(this.#options.pool, (client) =>
      new Session(client).rows(
        `UPDATE payflow_sync.operation SET state = 'failed', result = $2, finished_at = clock_timestamp()
          WHERE operation_id = $1::uuid AND state = 'waiting'`,
        [id, JSON.stringify(failure).replaceAll('\\u0000', '')],
      ),
    );
  }
}

/** What PostgreSQL says of a refused row may hold its values, and some are shown to nobody. */
function withoutValues(error: PayflowError): string {
  const facts = postgresFacts(error);
  if (facts === null) return error.message;
  const { sqlState, table, column, constraint } = facts;
  const place = [table, column].filter((name) => name !== null).join('.');
  const by = constraint === null ? '' : ` by ${constraint}`;
  return `PostgreSQL refused it: ${sqlState}${place === '' ? '' : ` at ${place}`}${by}`;
}

function parsed(text: Text | undefined): unknown {
  return text === null || text === undefined ? null : JSON.parse(text);
}
