/** SQL of a terminal's progress and of a partition's: the first rows locked and the last rows written. */
import { FIRST_PREVIOUS_HASH, type UnitRecord } from '../shared/records/unit-record.ts';
import type { FenceCause, LeftAt, OtherState, TerminalState, TerminalStatus } from './admission.ts';
import { isRefusedTooMuch } from './exceptions.ts';
import { NEVER_RELEASED } from './held.ts';
import { textArray, unnest, type TextRow, type Session } from './rows/sql.ts';

export interface LockedProgress {
  readonly states: ReadonlyMap<string, TerminalState>;
  /** Of the published mapping, now. */
  readonly mappingVersion: number;
  /** Terminals with held records that may be waiting for what comes. */
  readonly withHeld: ReadonlySet<string>;
}

/**
 * Locks the progress rows of the terminals, in order, creating those that are missing. While this transaction
 * lasts nobody else applies anything of these terminals, on whatever partition.
 * @param incarnations terminal → the incarnation its first record names
 */
export async function lockProgress(
  session: Session,
  incarnations: ReadonlyMap<string, string>,
): Promise<LockedProgress> {
  const terminals = [...incarnations.keys()].sort();
  let rows = await lockExisting(session, terminals);
  if (rows.length < terminals.length) {
    await session.rows(
      `INSERT INTO payflow_sync.progress (terminal_id, incarnation, last_unit, last_seq, chain_hash)
       SELECT v.c0, v.c1, 0, 0, decode($3, 'hex') FROM ${unnest(2)}
         JOIN payflow_sync.terminal t ON t.terminal_id = v.c0
        ORDER BY v.c0
       ON CONFLICT (terminal_id) DO NOTHING`,
      [
        textArray(terminals),
        textArray(terminals.map((terminal) => incarnations.get(terminal) ?? '')),
        FIRST_PREVIOUS_HASH.toString('hex'),
      ],
    );
    rows = await lockExisting(session, terminals);
  }
  return {
    states: new Map(rows.map((row) => [row[0] ?? '', stateOf(row)])),
    withHeld: new Set(rows.filter((row) => row[8] === 't').map((row) => row[0] ?? '')),
    mappingVersion: Number(rows[0]?.[9] ?? 0),
  };
}

/**
 * In the order of the index `held_waiting`: once all that is held is of one till, EXISTS is planned as a scan of all of
 * it, for each of the others (10 ms for five tills beside 20,000 records).
 */
async function lockExisting(session: Session, terminals: readonly string[]): Promise<TextRow[]> {
  return session.rows(
    `SELECT p.terminal_id, t.store_id, t.status, p.incarnation, p.last_unit, p.last_seq,
            encode(p.chain_hash, 'hex'), p.exceptions,
            COALESCE((SELECT true FROM payflow_sync.held h
                       WHERE h.terminal_id = p.terminal_id AND h.reason <> ALL (${NEVER_RELEASED})
                       ORDER BY h.incarnation, h.unit LIMIT 1), false),
            (SELECT version FROM payflow_sync.mapping), p.registration,
            (SELECT json_object_agg(r.registration, r.store_id) FROM payflow_sync.registration r
              WHERE r.terminal_id = p.terminal_id),
            EXISTS (SELECT 1 FROM payflow_sync.hold h WHERE h.terminal_id = p.terminal_id AND h.reason = 'centre'),
            p.known_seq, t.retire_offset,
            (SELECT json_object_agg(i.incarnation, json_build_array(i.state, i.applied_unit))
               FROM payflow_sync.incarnation i
              WHERE i.terminal_id = p.terminal_id AND i.incarnation <> p.incarnation),
            t.fenced_for
       FROM payflow_sync.progress p JOIN payflow_sync.terminal t ON t.terminal_id = p.terminal_id
      WHERE p.terminal_id = ANY ($1::text[]) ORDER BY p.terminal_id FOR UPDATE OF p`,
    [textArray(terminals)],
  );
}

function stateOf(row: TextRow): TerminalState {
  const [terminal, storeId, status, incarnation, lastUnit, lastSeq, chainHash, exceptions] = row;
  const [registration, stores, waits, knownSeq, retireOffset, others, fencedFor] = row.slice(10);
  // One registered by an older version has no row there, and never had another store.
  const files = Object.entries(JSON.parse(others ?? '{}') as Record<string, [OtherState, number]>);
  const byRegistration = JSON.parse(stores ?? JSON.stringify({ 1: storeId })) as Record<string, string>;
  return {
    terminal: terminal ?? '',
    stores: new Map(Object.entries(byRegistration).map(([number, store]) => [Number(number), store])),
    registration: Number(registration),
    status: status as TerminalStatus,
    fencedFor: (fencedFor ?? undefined) as FenceCause | undefined,
    waits: waits === 't',
    refusedTooMuch: isRefusedTooMuch(exceptions ?? '[]'),
    incarnation: incarnation ?? '',
    lastUnit: Number(lastUnit),
    lastSeq: Number(lastSeq),
    chainHash: Buffer.from(chainHash ?? '', 'hex'),
    hashes: new Map(),
    exceptions: exceptions ?? '[]',
    knownSeq: Number(knownSeq),
    retireOffset: retireOffset == null ? null : Number(retireOffset),
    others: new Map(files.map(([name, [other]]) => [name, other])),
    left: new Map(
      files.flatMap(([name, [other, lastUnit]]): [string, LeftAt][] =>
        other === 'followed' ? [[name, { lastUnit, hashes: new Map() }]] : [],
      ),
    ),
  };
}

/**
 * Tells the states the hashes of units that came before and come again: a clone of a till's file goes on with
 * numbers that its original has used since.
 */
export async function recallHashes(
  session: Session,
  states: ReadonlyMap<string, TerminalState>,
  records: readonly UnitRecord[],
): Promise<void> {
  const again = records.flatMap(({ terminal, incarnation, units }) => {
    const state = states.get(terminal);
    const left = state?.left.get(incarnation);
    if (state === undefined || (left === undefined && state.incarnation !== incarnation)) return [];
    const { hashes } = left ?? state;
    const before = left === undefined ? state.lastUnit : left.lastUnit + 1;
    return units
      .filter(({ number }) => number < before)
      .map(({ number }) => ({ terminal, incarnation, hashes, number }));
  });
  if (again.length === 0) return;
  const rows = await session.rows(
    `SELECT v.n, encode(o.hash, 'hex') FROM ${unnest(3, { ordinality: true })}
       JOIN payflow_sync.outcome o
         ON o.terminal_id = v.c0 AND o.incarnation = v.c1 AND o.unit = v.c2::bigint AND o.hash IS NOT NULL`,
    [
      textArray(again.map(({ terminal }) => terminal)),
      textArray(again.map(({ incarnation }) => incarnation)),
      textArray(again.map(({ number }) => String(number))),
    ],
  );
  for (const [n, hash] of rows) {
    const asked = again[Number(n) - 1];
    asked?.hashes.set(asked.number, Buffer.from(hash ?? '', 'hex'));
  }
}

export async function saveProgress(session: Session, states: readonly TerminalState[]): Promise<void> {
  if (states.length === 0) return;
  await session.rows(
    `UPDATE payflow_sync.progress p
        SET last_unit = v.c1::bigint, last_seq = v.c2::bigint, chain_hash = decode(v.c3, 'hex'),
            exceptions = v.c4, registration = v.c5::integer, updated_at = clock_timestamp()
       FROM ${unnest(6)} WHERE p.terminal_id = v.c0`,
    [
      textArray(states.map(({ terminal }) => terminal)),
      textArray(states.map(({ lastUnit }) => String(lastUnit))),
      textArray(states.map(({ lastSeq }) => String(lastSeq))),
      textArray(states.map(({ chainHash }) => chainHash.toString('hex'))),
      textArray(states.map(({ exceptions }) => exceptions)),
      textArray(states.map(({ registration }) => String(registration))),
    ],
  );
}

export interface Fence {
  /** In words. */
  readonly why: string;
  readonly cause: FenceCause;
}

/**
 * The terminal's status is what people see, the standing in its progress what the till itself is told; this and
 * the operator's commands (gateway/hand-over.ts, gateway/retirement.ts) set both together.
 */
export async function fenceTerminals(session: Session, fences: ReadonlyMap<string, Fence>): Promise<void> {
  if (fences.size === 0) return;
  const reasons = [...fences.values()];
  const values = [
    textArray([...fences.keys()]),
    textArray(reasons.map(({ why }) => why)),
    textArray(reasons.map(({ cause }) => cause)),
  ];
  await session.rows(
    `UPDATE payflow_sync.progress p
        SET standing = 'fenced', standing_why = v.c1, standing_since = clock_timestamp()
       FROM ${unnest(2)} WHERE p.terminal_id = v.c0 AND p.standing = 'ok'`,
    values.slice(0, 2),
  );
  await session.rows(
    `UPDATE payflow_sync.terminal t SET status = 'fenced', fenced_for = v.c2
       FROM ${unnest(3)} WHERE t.terminal_id = v.c0 AND t.status <> 'retired'`,
    values,
  );
}

/** What a file other than the current one has shown of itself. */
export interface OtherFile {
  readonly terminal: string;
  readonly incarnation: string;
  readonly state: OtherState;
  readonly predecessor: string | null;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly lastUnit: number;
}

export async function noteOthers(session: Session, files: readonly OtherFile[]): Promise<void> {
  for (const file of files) {
    await session.rows(
      `INSERT INTO payflow_sync.incarnation AS i
         (terminal_id, incarnation, state, predecessor, first_seq, last_seq, last_unit)
       VALUES ($1, $2, $3, $4, $5::bigint, $6::bigint, $7::bigint)
       ON CONFLICT (terminal_id, incarnation) DO UPDATE
         SET state = excluded.state, last_seen_at = now(), predecessor = coalesce(i.predecessor, excluded.predecessor),
             first_seq = CASE WHEN i.first_seq = 0 THEN excluded.first_seq ELSE least(i.first_seq, excluded.first_seq) END,
             last_seq = greatest(i.last_seq, excluded.last_seq), last_unit = greatest(i.last_unit, excluded.last_unit)`,
      [
        file.terminal,
        file.incarnation,
        file.state,
        file.predecessor,
        String(file.firstSeq),
        String(file.lastSeq),
        String(file.lastUnit),
      ],
    );
  }
}

/** How far a partition was read. */
export interface Consumed {
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: number;
  readonly streamId: string | null;
}

export async function saveConsumed(session: Session, consumed: Consumed): Promise<void> {
  await session.rows(
    `INSERT INTO payflow_sync.consumed (topic, partition, next_offset, stream_id)
     VALUES ($1, $2::integer, $3::bigint, $4)
     ON CONFLICT (topic, partition) DO UPDATE
       SET next_offset = excluded.next_offset, stream_id = excluded.stream_id`,
    [consumed.topic, String(consumed.partition), String(consumed.nextOffset), consumed.streamId],
  );
}

export async function readConsumed(
  session: Session,
  topic: string,
  partition: number,
): Promise<{ nextOffset: number; streamId: string | null } | null> {
  const [row] = await session.rows(
    'SELECT next_offset, stream_id FROM payflow_sync.consumed WHERE topic = $1 AND partition = $2::integer',
    [topic, String(partition)],
  );
  return row === undefined ? null : { nextOffset: Number(row[0]), streamId: row[1] ?? null };
}

/** A record that touches no terminal's state. */
export interface RefusedRecord {
  readonly offset: number;
  readonly terminal: string | null;
  readonly code: string;
  /** In words. */
  readonly message: string;
  /** Its value, or what is to be kept of it; null where there is none. */
  readonly bytes: Buffer | null;
  /** Of the whole value. */
  readonly size: number;
}

const LONGEST_MESSAGE = 1_000;

export async function saveRefused(
  session: Session,
  stream: { readonly topic: string; readonly partition: number },
  refused: readonly RefusedRecord[],
): Promise<void> {
  if (refused.length === 0) return;
  await session.rows(
    `INSERT INTO payflow_sync.refused_record
       (topic, partition, record_offset, terminal_id, code, message, bytes, size)
     SELECT $7, $8::integer, v.c0::bigint, v.c1, v.c2, v.c3, decode(v.c4, 'hex'), v.c5::bigint FROM ${unnest(6)}
     ON CONFLICT (topic, partition, record_offset) DO NOTHING`,
    [
      textArray(refused.map(({ offset }) => String(offset))),
      textArray(refused.map(({ terminal }) => terminal)),
      textArray(refused.map(({ code }) => code)),
      // Whatever a till wrote may stand in it, and noting it must not fail.
      textArray(refused.map(({ message }) => message.replaceAll('\0', '').slice(0, LONGEST_MESSAGE))),
      textArray(refused.map(({ bytes }) => bytes?.toString('hex') ?? null)),
      textArray(refused.map(({ size }) => String(size))),
      stream.topic,
      String(stream.partition),
    ],
  );
}
