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
import { orItsFailure, readOwnOperation, requestOperation } from '../operations.ts';
import { addFinding, named, noFindings, type TableFindings } from './findings.ts';
import { repairOf } from './repair.ts';
import { awaitSeeded, seedAgain } from '../seed-again.ts';
import { verdictOf, type Verdict } from './verdict.ts';

/** What of a till's changes is under way is waited for, a while. */
const FLUSH_MS = 30_000;
const POSITION_MS = 5 * 60_000;
/** What an agent knows without looking; one of an older version never answers. */
const TABLES_MS = 30_000;
const OPERATION_MS = 30 * 60_000;
const OPERATION_LOOK_MS = 20;
const REPLY_MARGIN_MS = 5_000;
/** A table of a million rows is gone over in the time that a till has for that. */
const PASS_MS = 30 * 60_000;
/** Of so many rows of a table it is told one by one that they differ; of the others, how many they may be. */
const MOST_DIFFERING = 20_000;
const DECIDED_AT_ONCE = 3_000;
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

/** A table while it is compared. */
interface Compared {
  readonly table: ComparedTable;
  readonly digest: DigestResult;
  readonly findings: TableFindings;
  /** What is newer on the till: by central id, or by key. */
  readonly offered: { readonly ids: string[]; readonly keys: string[] };
}

export class Comparison {
  readonly #parts: ComparisonParts;
  /** The till's changes were not settled in the time that they were given. */
  #isStuck = false;

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
      const compared = await this.#table(table);
      const { findings } = compared;
      const left = repairs && findings.counts.differs > 0 ? await this.#repaired(table, compared) : findings;
      found.push(named(left));
    }
    return { tables: found, skipped };
  }

  /** What is left of it. */
  async #repaired(table: ComparedTable, before: Compared): Promise<TableFindings> {
    const { findings: found, offered } = before;
    const { offers, readsAgain } = repairOf(found.differs, table);
    if (!offers && !readsAgain) return { ...found, repaired: 0 };
    // First, or what comes down would take its place.
    if (offers) {
      await this.#repair(table, { offers: offered, readsAgain: false });
      await this.#flush();
    }
    if (readsAgain) {
      const { pool, signal } = this.#parts;
      await seedAgain(pool, found.centralTable);
      await awaitSeeded(pool, found.centralTable, signal);
      await this.#repair(table, { offers: { ids: [], keys: [] }, readsAgain });
    }
    const { findings } = await this.#table(table);
    const repaired = Math.max(0, found.counts.differs - findings.counts.differs);
    return { ...findings, repaired };
  }

  async #repair(
    { table }: ComparedTable,
    how: Pick<AgentRequest<'verify:repair'>, 'offers' | 'readsAgain'>,
  ): Promise<void> {
    await this.#agent('verify:repair', { ...(await this.#behind(PASS_MS)), table, ...how });
  }

  /** A till that sends only when it is asked has its sales with it otherwise. */
  async #flush(): Promise<void> {
    try {
      await this.#agent('sync:flush', { jobId: this.#parts.runId, timeoutMs: FLUSH_MS });
      this.#isStuck = false;
    } catch (error) {
      // What is not settled is said of each row that it concerns.
      if (!(error instanceof PayflowError && error.code === 'SYNC_TIMEOUT')) throw error;
      this.#isStuck = true;
    }
  }

  async #table(table: ComparedTable): Promise<Compared> {
    const { digest, buckets, told } = await this.#buckets(table);
    const findings = noFindings(table.table, digest.table);
    findings.rows = {
      till: told.rows + told.unlinked.length + told.moreUnlinked,
      centre: digest.rows,
    };
    const compared: Compared = { table, digest, findings, offered: { ids: [], keys: [] } };
    await this.#decide(
      compared,
      told.unlinked.map((key): Candidate => ({ id: null, key, before: undefined })),
    );
    if (table.direction === 'push') findings.counts.byDesign += told.moreUnlinked;
    else findings.counts.notLookedAt += told.moreUnlinked;
    for (const portion of portions(told.differing, buckets)) {
      if (findings.counts.differs >= MOST_DIFFERING) findings.counts.notLookedAt += portion.rows;
      else await this.#decide(compared, await this.#candidates(compared, buckets.count, portion.buckets));
    }
    return compared;
  }

  /** Either side may have lost most of its rows: the buckets suit the other one. */
  async #buckets(table: ComparedTable) {
    for (let atLeast = 0; ;) {
      const digest = await this.#centre<DigestResult>('verify-digest', {
        ...this.#centralArguments(table),
        atLeast,
      });
      const { count, columns } = digest;
      const buckets = Buckets.decode(digest.buckets, count);
      if (buckets === undefined) throw new PayflowError('INTERNAL', 'central-apply answered with other sums');
      const told = await this.#agent('verify:buckets', {
        ...(await this.#behind(PASS_MS)),
        table: table.table,
        columns: [...columns],
        count,
        buckets: digest.buckets,
      });
      if (bucketCountFor(told.rows) <= count * 2 || told.rows <= atLeast) return { digest, buckets, told };
      atLeast = told.rows;
    }
  }

  #centralArguments({ table, columns, isUnmarked }: ComparedTable) {
    const { terminalId, storeId } = this.#parts.target;
    return { table, columns, isUnmarked, terminalId, storeId };
  }

  /** Rows whose digests differ, or that are on one side only. */
  async #candidates({ table, digest }: Compared, count: number, of: number[]): Promise<Candidate[]> {
    const columns = digest.columns.map(({ name }) => name);
    const args = { ...this.#centralArguments({ ...table, columns }), buckets: count, of };
    const { rows } = await this.#centre<ListResult>('verify-list', args);
    const { ids } = await this.#agent('verify:rows', {
      ...(await this.#behind(PASS_MS)),
      table: table.table,
      columns: [...digest.columns],
      count,
      of,
      rows: rows.map(([id, row]) => [id, row]),
    });
    return ids.map((id) => ({ id, key: '', before: undefined }));
  }

  /** Looks at them until each is known. */
  async #decide(compared: Compared, candidates: readonly Candidate[]): Promise<void> {
    const { findings } = compared;
    for (let from = 0; from < candidates.length; from += DECIDED_AT_ONCE) {
      const some = candidates.slice(from, from + DECIDED_AT_ONCE);
      if (findings.counts.differs >= MOST_DIFFERING) findings.counts.notLookedAt += some.length;
      else await this.#decideSome(compared, some);
    }
  }

  async #decideSome(compared: Compared, candidates: readonly Candidate[]): Promise<void> {
    let pending = candidates;
    for (let look = 0; look < MOST_LOOKS && pending.length > 0; look += 1) {
      if (look > 0) await this.#rest(look);
      const left: Candidate[] = [];
      for (let from = 0; from < pending.length; from += ROWS_AT_A_LOOK) {
        const some = pending.slice(from, from + ROWS_AT_A_LOOK);
        const seen = await this.#look(compared, some, { look });
        for (const { candidate, facts, verdict } of seen) {
          if (verdict.kind === 'moving' && look < MOST_LOOKS - 1)
            left.push({ ...candidate, before: facts.signature });
          else addVerdict(compared, candidate, { facts, verdict });
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
    { table, digest }: Compared,
    candidates: readonly Candidate[],
    { look }: { readonly look: number },
  ): Promise<{ candidate: Candidate; facts: RowFacts; verdict: Verdict }[]> {
    const linked = candidates.filter(({ id }) => id !== null);
    const unlinked = candidates.filter(({ id }) => id === null);
    const columns = digest.columns.map(({ name }) => name);
    const asked = this.#centralArguments({ ...table, columns });
    const args = { ...asked, ids: linked.map(({ id }) => id), settles: look > 0 };
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
      const isStuck = this.#isStuck && look === MOST_LOOKS - 1;
      const verdict = verdictOf({
        table,
        centre,
        till: facts,
        before,
        settled: settled && look > 0,
        isStuck,
      });
      return [{ candidate, facts, verdict }];
    });
  }

  /** A position behind all that the centre has just been asked. */
  async #behind(timeoutMs: number): Promise<{ lsn: string; timeoutMs: number }> {
    return { lsn: await this.#parts.markers.write(this.#parts.target.storeId), timeoutMs };
  }

  #agent<N extends AgentRequestName>(name: N, request: AgentRequest<N>): Promise<AgentResult<N>> {
    const { agents, target } = this.#parts;
    const limitMs = 'timeoutMs' in request ? request.timeoutMs : TABLES_MS;
    return agents.request(target.terminalId, name, request, limitMs + REPLY_MARGIN_MS);
  }

  async #centre<Result>(kind: OperationKind, args: unknown): Promise<Result> {
    const { pool, by, signal } = this.#parts;
    const { operationId } = await requestOperation(pool, { kind, args, by });
    const deadline = performance.now() + OPERATION_MS;
    for (;;) {
      const view = orItsFailure(await readOwnOperation(pool, operationId));
      if (view.state === 'done') return view.result as Result;
      if (signal.aborted || performance.now() > deadline)
        throw new PayflowError('OPERATION_WAITING', `central-apply has not answered ${kind}`);
      await sleep(OPERATION_LOOK_MS, signal);
    }
  }
}

interface Portion {
  readonly buckets: number[];
  rows: number;
}

/** Buckets of not too many rows together, on the side that has more; one bucket at least. */
function portions(differing: readonly (readonly [number, number])[], centre: Buckets): Portion[] {
  const found: Portion[] = [];
  for (const [bucket, rowsOnTill] of differing) {
    const rows = Math.max(rowsOnTill, centre.rowsIn(bucket));
    let portion = found.at(-1);
    if (portion === undefined || portion.rows + rows > ROWS_IN_A_LIST)
      found.push((portion = { buckets: [], rows: 0 }));
    portion.buckets.push(bucket);
    portion.rows += rows;
  }
  return found;
}

function addVerdict(
  { findings, offered }: Compared,
  { id, key }: Candidate,
  { facts, verdict }: { readonly facts: RowFacts; readonly verdict: Verdict },
): void {
  addFinding(findings, facts, verdict);
  if (verdict.kind !== 'differs' || verdict.newer !== 'till') return;
  if (id === null) offered.keys.push(key);
  else offered.ids.push(id);
}
