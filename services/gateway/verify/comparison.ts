/**
 * Compares one till with the centre, table by table, while everything runs: sums of digests first, then the rows of those
 * buckets that differ, then each row that may differ until it is known what it is (verdict.ts). All rows that the centre
 * was asked about are seen by the till from a position behind that: a marker is written after each look at the centre.
 */
import type { Pool } from 'pg';
import type { AgentRequestName, AgentRequest, AgentResult } from '../../shared/agent-protocol.ts';
import { PayflowError } from '../../shared/errors.ts';
import { sleep } from '../../shared/lifecycle.ts';
import type { OperationKind } from '../../shared/operations.ts';
import { bucketCountFor, Buckets } from '../../shared/verify/row-digest.ts';
import {
  ROWS_AT_A_LOOK,
  ROWS_IN_A_LIST,
  type ComparedTable,
  type DigestResult,
  type ListResult,
  type LookResult,
  type RowFacts,
} from '../../shared/verify/questions.ts';
import type { Agents } from '../agents.ts';
import type { JobTarget } from '../jobs/jobs.ts';
import type { Markers } from '../jobs/markers.ts';
import { orItsFailure, readOperation, requestOperation } from '../operations.ts';
import { addFinding, noFindings, type TableFindings } from './findings.ts';
import { repairOf } from './repair.ts';
import { seedAgain } from '../seed-again.ts';
import { verdictOf, type Verdict } from './verdict.ts';

/** What of a till's changes is under way is waited for, a while. */
const FLUSH_MS = 30_000;
const POSITION_MS = 5 * 60_000;
const OPERATION_MS = 30 * 60_000;
const OPERATION_LOOK_MS = 20;
const REPLY_MARGIN_MS = 5_000;
/** A table of a million rows is gone over in the time that a till has for that. */
const PASS_MS = 30 * 60_000;
const MOST_LOOKS = 8;
const FIRST_REST_MS = 100;
const LONGEST_REST_MS = 1_000;

export interface ComparisonParts {
  readonly pool: Pool;
  readonly agents: Pick<Agents, 'request'>;
  readonly markers: Pick<Markers, 'write'>;
  readonly target: JobTarget;
  /** Who asked. */
  readonly by: string;
  readonly runId: string;
  readonly signal: AbortSignal;
  /** A table is begun. */
  readonly onTable: (progress: TableProgress) => void;
}

export interface TableProgress {
  readonly table: string;
  readonly done: number;
  readonly of: number;
}

export interface TillFindings {
  readonly tables: readonly TableFindings[];
  readonly skipped: readonly { readonly table: string; readonly why: string }[];
}

/** A row that may differ, by its central id, or by its key on the till where it has none. */
interface Candidate {
  readonly id: string | null;
  readonly key: string;
  before: string | undefined;
}

export class Comparison {
  readonly #parts: ComparisonParts;

  constructor(parts: ComparisonParts) {
    this.#parts = parts;
  }

  /**
   * @param options.only a local table
   * @param options.repairs what differs is mended by the ways that rows always take, and compared once more
   * @throws PayflowError what either side could not do
   */
  async run({ only, repairs }: { only?: string | undefined; repairs: boolean }): Promise<TillFindings> {
    await this.#flush();
    const { tables, skipped } = await this.#agent('verify:tables', only === undefined ? {} : { table: only });
    const found: TableFindings[] = [];
    for (const table of tables) {
      this.#parts.onTable({ table: table.table, done: found.length, of: tables.length });
      const findings = await this.#table(table);
      found.push(repairs && findings.counts.differs > 0 ? await this.#repaired(table, findings) : findings);
    }
    return { tables: found, skipped };
  }

  /** What is left of it. */
  async #repaired(table: ComparedTable, before: TableFindings): Promise<TableFindings> {
    const { offers, readsAgain } = repairOf(before.differs, table);
    if (!offers && !readsAgain) return { ...before, repaired: 0 };
    if (readsAgain) await seedAgain(this.#parts.pool, before.centralTable);
    const position = await this.#behind(PASS_MS);
    await this.#agent('verify:repair', { ...position, table: table.table, offers, readsAgain });
    if (offers) await this.#flush();
    const after = await this.#table(table);
    return { ...after, repaired: Math.max(0, before.counts.differs - after.counts.differs) };
  }

  /** A till that sends only when it is asked has its sales with it otherwise. */
  async #flush(): Promise<void> {
    try {
      await this.#agent('sync:flush', { jobId: this.#parts.runId, timeoutMs: FLUSH_MS });
    } catch (error) {
      // What is not settled is said of each row that it concerns.
      if (!(error instanceof PayflowError && error.code === 'SYNC_TIMEOUT')) throw error;
    }
  }

  async #table(table: ComparedTable): Promise<TableFindings> {
    const { digest, buckets } = await this.#digest(table);
    const findings = noFindings(table.table, digest.table);
    const compared = { ...table, columns: digest.columns.map(({ name }) => name) };
    const told = await this.#agent('verify:buckets', {
      ...(await this.#behind(PASS_MS)),
      table: table.table,
      columns: [...digest.columns],
      count: buckets.count,
      buckets: digest.buckets,
    });
    findings.rows = { till: told.rows + told.unlinked.length, centre: digest.rows };
    const ids = await this.#candidates(compared, digest, { buckets, differing: told.differing });
    const candidates = [
      ...ids.map((id): Candidate => ({ id, key: '', before: undefined })),
      ...told.unlinked.map((key): Candidate => ({ id: null, key, before: undefined })),
    ];
    await this.#decide(compared, digest, candidates, findings);
    return findings;
  }

  /** The till may have lost most of its rows: then there are buckets for those of the centre. */
  async #digest(table: ComparedTable): Promise<{ digest: DigestResult; buckets: Buckets }> {
    let count = bucketCountFor(table.rows);
    for (;;) {
      const args = { ...this.#centralArguments(table), buckets: count };
      const digest = await this.#centre<DigestResult>('verify-digest', args);
      const wanted = bucketCountFor(digest.rows);
      const buckets = Buckets.decode(digest.buckets, count);
      if (buckets === undefined) throw new PayflowError('INTERNAL', 'central-apply answered with other sums');
      if (wanted <= count * 2) return { digest, buckets };
      count = wanted;
    }
  }

  #centralArguments({ table, columns, isUnmarked }: ComparedTable) {
    const { terminalId, storeId } = this.#parts.target;
    return { table, columns, isUnmarked, terminalId, storeId };
  }

  /** Ids of rows whose digests differ, or that are on one side only. */
  async #candidates(
    table: ComparedTable,
    { columns }: DigestResult,
    { buckets, differing }: { readonly buckets: Buckets; readonly differing: readonly number[] },
  ): Promise<string[]> {
    const found: string[] = [];
    for (const of of portions(differing, buckets)) {
      const args = { ...this.#centralArguments(table), buckets: buckets.count, of };
      const { rows } = await this.#centre<ListResult>('verify-list', args);
      const { ids } = await this.#agent('verify:rows', {
        ...(await this.#behind(PASS_MS)),
        table: table.table,
        columns: [...columns],
        count: buckets.count,
        of,
        rows: rows.map(([id, digest]) => [id, digest]),
      });
      for (const id of ids) found.push(id);
    }
    return found;
  }

  /** Looks at them until each is known. */
  async #decide(
    table: ComparedTable,
    digest: DigestResult,
    candidates: readonly Candidate[],
    findings: TableFindings,
  ): Promise<void> {
    let pending = candidates;
    for (let look = 0; look < MOST_LOOKS && pending.length > 0; look += 1) {
      if (look > 0) await this.#rest(look);
      const left: Candidate[] = [];
      for (let from = 0; from < pending.length; from += ROWS_AT_A_LOOK) {
        const some = pending.slice(from, from + ROWS_AT_A_LOOK);
        const verdicts = await this.#look(table, digest, some, { isFirst: look === 0 });
        for (const { candidate, facts, verdict } of verdicts) {
          const isLast = look === MOST_LOOKS - 1;
          if (verdict.kind === 'moving' && !isLast) left.push({ ...candidate, before: facts.signature });
          else addFinding(findings, facts, verdict);
        }
      }
      pending = left;
    }
  }

  async #rest(look: number): Promise<void> {
    const { signal } = this.#parts;
    await sleep(Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** (look - 1)), signal);
    if (signal.aborted) throw new PayflowError('SYNC_TIMEOUT', 'the gateway stops');
  }

  async #look(
    table: ComparedTable,
    digest: DigestResult,
    candidates: readonly Candidate[],
    { isFirst }: { readonly isFirst: boolean },
  ): Promise<{ candidate: Candidate; facts: RowFacts; verdict: Verdict }[]> {
    const linked = candidates.filter(({ id }) => id !== null);
    const unlinked = candidates.filter(({ id }) => id === null);
    const args = { ...this.#centralArguments(table), ids: linked.map(({ id }) => id), settles: !isFirst };
    const { rows, settled } = await this.#centre<LookResult>('verify-look', args);
    const told = await this.#agent('verify:look', {
      ...(await this.#behind(POSITION_MS)),
      table: table.table,
      columns: [...digest.columns],
      rows: rows.map(({ values, ...row }) => ({ ...row, values: values === null ? null : [...values] })),
      keys: unlinked.map(({ key }) => key),
    });
    return [...linked, ...unlinked].flatMap((candidate, at) => {
      const facts = told.rows[at];
      if (facts === undefined) throw new PayflowError('RECORD_MALFORMED', 'the till left out rows');
      const row = rows[at];
      const centre = { isHere: row?.values != null, place: row?.place ?? 'none' };
      const { before } = candidate;
      const verdict = verdictOf({ table, centre, till: facts, before, settled: settled && !isFirst });
      return [{ candidate, facts, verdict }];
    });
  }

  /** A position behind all that the centre has just been asked. */
  async #behind(timeoutMs: number): Promise<{ lsn: string; timeoutMs: number }> {
    return { lsn: await this.#parts.markers.write(this.#parts.target.storeId), timeoutMs };
  }

  #agent<N extends AgentRequestName>(name: N, request: AgentRequest<N>): Promise<AgentResult<N>> {
    const { agents, target } = this.#parts;
    const limitMs = 'timeoutMs' in request ? request.timeoutMs : POSITION_MS;
    return agents.request(target.terminalId, name, request, limitMs + REPLY_MARGIN_MS);
  }

  async #centre<Result>(kind: OperationKind, args: unknown): Promise<Result> {
    const { pool, by, signal } = this.#parts;
    const { operationId } = await requestOperation(pool, { kind, args, by });
    const deadline = performance.now() + OPERATION_MS;
    for (;;) {
      const view = orItsFailure(await readOperation(pool, operationId));
      if (view.state === 'done') return view.result as Result;
      if (signal.aborted || performance.now() > deadline)
        throw new PayflowError('OPERATION_WAITING', `central-apply has not answered ${kind}`);
      await sleep(OPERATION_LOOK_MS, signal);
    }
  }
}

/** Buckets of not too many rows together; one bucket at least. */
function portions(differing: readonly number[], buckets: Buckets): number[][] {
  const found: number[][] = [];
  let rows = Infinity;
  for (const bucket of differing) {
    rows += buckets.rowsIn([bucket]);
    if (rows > ROWS_IN_A_LIST) {
      found.push([]);
      rows = buckets.rowsIn([bucket]);
    }
    found.at(-1)?.push(bucket);
  }
  return found;
}
