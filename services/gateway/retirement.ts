/**
 * `terminals retire ID`, in two steps that may be typed again at any time:
 *
 * | the till is    | step                                                              | afterwards |
 * |----------------|-------------------------------------------------------------------|------------|
 * | never enrolled | it can have sent nothing: no more than that                      | retired    |
 * | in service     | the end of its partition is noted, its token is refused, and it is told in its store stream | retiring |
 * | retiring       | central-apply has not read up to there: nothing                   | retiring   |
 * | retiring       | it has                                                            | retired    |
 * | retired        | nothing                                                           | retired    |
 *
 * What lies in the log before the noted offset is applied as ever, what comes later is held whole (admission.ts), from
 * the first step on: a command that dies between the two has done no harm.
 */
import type { Pool } from 'pg';
import { PayflowError } from '../shared/errors.ts';
import { inTransaction } from '../shared/database/postgres.ts';
import { upTopic } from '../shared/log/topics.ts';
import { firstRow } from './database.ts';
import { noteOperation, type Actor } from './operation-log.ts';
import { retireTerminal } from './terminals.ts';

export interface Retirement {
  readonly terminalId: string;
  readonly state: 'retiring' | 'retired';
  /** Records of its partition that central-apply still has to read. */
  readonly recordsAhead: number;
  /** What did not become part of the central tables, now. */
  readonly held: number;
  readonly deadLetters: number;
  readonly lastSeenAt: string | null;
}

export interface RetireOptions {
  readonly terminalId: string;
  readonly prefix: string;
  /** The end of a partition of the up topic, asked of the event log. */
  readonly endOf: (partition: number) => Promise<number>;
  readonly actor: Actor;
}

interface TerminalFacts {
  readonly status: string;
  readonly partition: number;
  readonly retireOffset: number | null;
  /** Of its key; 0: it was never enrolled, so nothing in the log is its. */
  readonly keyVersion: number;
}

/** One step of the two. @throws PayflowError TERMINAL_UNKNOWN */
export async function retireStep(pool: Pool, options: RetireOptions): Promise<Retirement> {
  const { terminalId } = options;
  const facts = await readTerminal(pool, terminalId);
  if (facts.status !== 'retired' && facts.retireOffset === null) {
    // Asked after the command was given: everything sent before it lies below.
    await begin(pool, options, await options.endOf(facts.partition));
  }
  const now = await readTerminal(pool, terminalId);
  const recordsAhead = await aheadOf(pool, options.prefix, now);
  if (now.status !== 'retired' && recordsAhead === 0) await retireTerminal(pool, terminalId);
  const counts = await firstRow<Pick<Retirement, 'held' | 'deadLetters' | 'lastSeenAt'>>(
    pool,
    `SELECT (SELECT count(*) FROM payflow_sync.held WHERE terminal_id = $1)::int AS held,
            (SELECT count(*) FROM payflow_sync.dead_letter WHERE terminal_id = $1 AND state = 'open')::int AS "deadLetters",
            last_seen_at::text AS "lastSeenAt" FROM payflow_sync.terminal WHERE terminal_id = $1`,
    [terminalId],
  );
  const state = now.status === 'retired' || recordsAhead === 0 ? 'retired' : 'retiring';
  return { terminalId, state, recordsAhead, ...(counts ?? { held: 0, deadLetters: 0, lastSeenAt: null }) };
}

async function readTerminal(pool: Pool, terminalId: string): Promise<TerminalFacts> {
  const facts = await firstRow<TerminalFacts>(
    pool,
    `SELECT status, up_partition AS partition, retire_offset::float8 AS "retireOffset",
            key_version AS "keyVersion"
       FROM payflow_sync.terminal WHERE terminal_id = $1`,
    [terminalId],
  );
  if (facts === undefined) throw new PayflowError('TERMINAL_UNKNOWN', `there is no terminal ${terminalId}`);
  return facts;
}

async function begin(pool: Pool, { terminalId, actor }: RetireOptions, offset: number): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(
      `UPDATE payflow_sync.progress
          SET standing = 'retired', standing_why = 'the till was taken out of service', standing_since = now()
        WHERE terminal_id = $1`,
      [terminalId],
    );
    const begun = await client.query(
      `UPDATE payflow_sync.terminal
          SET retire_offset = $2, former_token_hash = coalesce(token_hash, former_token_hash),
              former_token_until = now(), token_hash = NULL, enrolment_hash = NULL, enrolment_expires = NULL
        WHERE terminal_id = $1 AND retire_offset IS NULL`,
      [terminalId, offset],
    );
    if (begun.rowCount === 0) return;
    await noteOperation(client, { kind: 'retire', arguments: { terminalId }, actor, result: { offset } });
  });
}

async function aheadOf(
  pool: Pool,
  prefix: string,
  { partition, retireOffset, keyVersion }: TerminalFacts,
): Promise<number> {
  if (retireOffset === null || keyVersion === 0) return 0;
  const consumed = await firstRow<{ next: number }>(
    pool,
    `SELECT next_offset::float8 AS next FROM payflow_sync.consumed WHERE topic = $1 AND partition = $2`,
    [upTopic(prefix), partition],
  );
  return Math.max(0, retireOffset - (consumed?.next ?? 0));
}
