/**
 * What a failure means, and what becomes of the till whose part failed. Pure. It goes by what happens, not by the
 * SQLSTATE alone: a class holds failures that stay and failures that pass, and triggers raise whatever they like.
 *
 * Step by step, for a group of records (apply-group.ts performs it):
 *
 * | what failed      | what is known                         | then                                             |
 * |------------------|---------------------------------------|--------------------------------------------------|
 * | the group        | connection lost, or an empty probe    | an outage: nothing is judged, the partition backs |
 * |                  | of a session of its own fails too     | off, unready with a code                         |
 * | the group        | the probe passes                      | 40, 53, XX, 25006, 08, 57P: again as a whole, a  |
 * |                  |                                       | few times; then, like all others, unit by unit   |
 * | unit by unit     | not a part, but the transaction       | the records of the group are put aside, each     |
 * |                  |                                       | till is tried in a transaction of its own        |
 * | aside            | our own tables refuse                 | a defect of the centre: the partition backs off  |
 *
 * A part of a till that failed alone is judged by its *grade* and by three facts. The cause K is (central table,
 * kind of write, code, constraint); "passes" is a write of that table and kind that went through for anybody else,
 * or for another part of this till; "others fail" is another till whose first failure with K came after the last pass.
 *
 * | grade   | which                                                  | others fail | passes since | tries | verdict |
 * |---------|--------------------------------------------------------|-------------|--------------|-------|---------|
 * | own     | a constraint or column of payflow_sync itself          | any         | any          | any   | wait    |
 * | centre  | shown by the catalog: a right, an unwritten NOT NULL   | any         | any          | any   | wait    |
 * |         | column, a missing table or column                      |             |              |       |         |
 * | lock    | 55P03: a row that can't be had                         | any         | any          | any   | wait    |
 * | passing | 40, 42, 53, 57, 25006, XX                              | yes         | any          | any   | wait    |
 * |         |                                                        | no          | no           | any   | try     |
 * |         |                                                        | no          | yes          | < 6   | try     |
 * |         |                                                        | no          | yes          | ≥ 6   | refuse  |
 * | row     | every other, also codes that nobody knows              | yes         | any          | any   | wait    |
 * |         |                                                        | no          | yes          | any   | refuse  |
 * |         |                                                        | no          | no           | < 4   | try     |
 * |         |                                                        | no          | no           | ≥ 4   | refuse  |
 *
 * try and wait hold the till, its records in order, others flow; a held till is tried again with back-off and goes
 * on by itself. refuse makes a dead letter of the part, and only of it. Crashes between any two steps: what holds a
 * till is written in the transaction that moves the offset past its records, so a record is applied, held or a dead
 * letter, never two of them. A refusal that turns out to be the centre's (a second till fails with K, no pass
 * between) is tried again with that till.
 */

/** Of a failed write: what the server, or this process, said. */
export interface Failure {
  /** Central table of the statement that failed, '' where no statement of ours can be named. */
  readonly table: string;
  readonly kind: WriteKind | '';
  /** SQLSTATE, SUPPRESSED, KEY_CHANGED or one of our codes. */
  readonly code: string;
  readonly constraint: string;
  readonly message: string;
  /** Schema and column that the server named. */
  readonly schema: string | null;
  readonly column: string | null;
  /** The catalog shows that the centre refuses it to everybody. */
  readonly isCentres: boolean;
}

export type WriteKind = 'insert' | 'update' | 'delete' | 'read';
export type Grade = 'own' | 'centre' | 'lock' | 'passing' | 'row';

/** trying: it will be known soon; waiting: a failure that may pass; centre: the centre's own cause. */
export type HoldState = 'trying' | 'waiting' | 'centre';
export type Verdict = 'refuse' | HoldState;

export interface Facts {
  /** How often the part has failed alone with this cause, this time included. */
  readonly tries: number;
  readonly othersFail: boolean;
  readonly passesSince: boolean;
}

/** Some 0.7 s of trying: a refused sale shall be told soon, and a cause that hits all tills shows up within it. */
export const ROW_TRIES = 4;
/** Some 16 s: a slow row must be slow while others are not. */
export const PASSING_TRIES = 6;

const PASSING_CLASSES: ReadonlySet<string> = new Set(['40', '42', '53', '57', 'XX']);
const LOCK_NOT_AVAILABLE = '55P03';
const READ_ONLY = '25006';
const OWN_SCHEMA = 'payflow_sync';
/** Names nobody has: the table, column or schema is gone, or not there yet. */
const MISSING: ReadonlySet<string> = new Set(['42703', '42P01', '3F000']);

export function gradeOf(failure: Failure): Grade {
  const { code, schema, isCentres } = failure;
  if (schema === OWN_SCHEMA) return 'own';
  if (code === LOCK_NOT_AVAILABLE) return 'lock';
  if (isCentres || MISSING.has(code)) return 'centre';
  if (code === READ_ONLY || (code.length === 5 && PASSING_CLASSES.has(code.slice(0, 2)))) return 'passing';
  return 'row';
}

export function judge(grade: Grade, { tries, othersFail, passesSince }: Facts): Verdict {
  switch (grade) {
    case 'own':
    case 'centre':
    case 'lock':
      return 'centre';
    case 'passing':
      if (othersFail) return 'centre';
      return passesSince && tries >= PASSING_TRIES ? 'refuse' : 'waiting';
    case 'row':
      if (othersFail) return 'centre';
      return passesSince || tries >= ROW_TRIES ? 'refuse' : 'trying';
  }
}

/** What a group that failed as a whole is tried as next. @param attempt 1 for the first */
export function nextForGroup(code: string, attempt: number): 'again' | 'unit by unit' {
  return attempt < GROUP_TRIES && mayPass(code) ? 'again' : 'unit by unit';
}

/** Some 0.5 s: a deadlock, a failover's last second, a session that was ended. */
const GROUP_TRIES = 5;

/**
 * Not a statement that ran into a time limit: tried again as a whole it would only cost the others that time once
 * more, while unit by unit it is tried again as well.
 */
function mayPass(code: string): boolean {
  if (code === '57014' || code === LOCK_NOT_AVAILABLE) return false;
  return code === READ_ONLY || ['08', '40', '53', '57', 'XX'].includes(code.slice(0, 2));
}

/** Names a cause: failures of one cause have one end. */
export function causeOf({
  table,
  kind,
  code,
  constraint,
}: Pick<Failure, 'table' | 'kind' | 'code' | 'constraint'>) {
  return `${table}\0${kind}\0${code}\0${constraint}`;
}

/** Names what may pass although a cause stands: a write of this kind into this table. */
export function writeOf({ table, kind }: Pick<Failure, 'table' | 'kind'>): string {
  return `${table}\0${kind}`;
}

const TRYING_MS = 100;
const WAITING_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** How long after its last try a held till is tried again. */
export function retryAfterMs(state: HoldState, tries: number): number {
  const first = state === 'trying' ? TRYING_MS : WAITING_MS;
  return Math.min(LONGEST_WAIT_MS, first * 2 ** Math.min(tries - 1, 10));
}
