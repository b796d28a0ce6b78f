/**
 * A till with a good key of its own that sends whatever harms: records that can't be read, rows that PostgreSQL
 * refuses in unusual ways, rows of other stores, gaps, endless parts. Each call of `next` gives the next of them.
 */
import { gzipSync } from 'node:zlib';
import type { LogRecord } from '../../services/shared/log/event-log.ts';
import type { UnitRecord } from '../../services/shared/records/unit-record.ts';
import { insert, type ChangeSpec, type FakeTill } from './centre.ts';

const NUL = '\0';
/** Beyond what a btree index takes, and not to be compressed below it. */
const LONG_TEXT = Array.from({ length: 3_000 }, (_, n) => ((n * 2_654_435_761) % 2 ** 32).toString(36)).join(
  '',
);

type Make = (till: FakeTill, n: number) => LogRecord;

const key = (n: number) => `00000000-0000-4000-9000-${String(n).padStart(12, '0')}`;

function of(till: FakeTill, specs: readonly ChangeSpec[], options: Partial<UnitRecord> = {}): LogRecord {
  return till.stored(0, [till.unit(...specs)], options);
}

const customer = (n: number, values: Record<string, string> = {}): ChangeSpec =>
  insert('customers', key(n), { full_name: `Hostile ${n}`, local_id: key(n), ...values });

/** What is wrong before anybody looks at rows. None of them may touch the till's state. */
const UNREADABLE: readonly Make[] = [
  (till, n) => till.signed(0, Buffer.from(`garbage ${n}`)),
  (till, n) => till.signed(0, Buffer.alloc(4_096, n)),
  (till) => ({ ...till.signed(0, Buffer.from('x')), headers: {} }),
  (till, n) => {
    const { value, ...rest } = of(till, [customer(n)]);
    return { ...rest, value: Buffer.concat([value ?? Buffer.alloc(0), Buffer.from([n])]) };
  },
  (till, n) => changed(till, of(till, [customer(n)]), (bytes) => bytes.subarray(0, bytes.length / 2)),
  (till, n) =>
    changed(till, of(till, [customer(n)]), (bytes) => {
      const other = Buffer.from(bytes);
      other[5] = (other[5] ?? 0) ^ 0xff;
      return other;
    }),
  (till, n) => changed(till, of(till, [customer(n)]), (bytes) => gzipSync(bytes)),
  (till) => ({ ...till.signed(0, Buffer.from('x')), value: null }),
];

/** Whole records whose fields are out of bounds. */
const OUT_OF_BOUNDS: readonly Make[] = [
  (till, n) => of(till, [customer(n)], { part: 1, parts: 3_000_000_000 }),
  (till, n) => of(till, [customer(n)], { part: 3_000_000_000, parts: 3_000_000_000 }),
  (till, n) => of(till, [customer(n)], { part: 0, parts: 0 }),
  (till, n) => of(till, [customer(n)], { incarnation: `a${NUL}b` }),
  (till, n) => of(till, [customer(n)], { incarnation: 'i'.repeat(8_192) }),
  (till, n) => of(till, [insert('customers', `x${NUL}${n}`, { full_name: 'x' })]),
  (till, n) => of(till, [insert('customers', 'y'.repeat(8_192), { full_name: String(n) })]),
  (till, n) => of(till, [customer(n)], { protocol: 99 }),
  (till, n) => of(till, [customer(n)], { mappingVersion: 4_000 }),
  (till, n) => of(till, [customer(n)], { keyVersion: 77 }),
];

/** Readable units, in the till's own chain, of which PostgreSQL or the rules refuse rows. */
const REFUSED: readonly Make[] = [
  (till, n) => of(till, [customer(n, { email: `${LONG_TEXT}@${n}` })]),
  (till, n) => of(till, [customer(n, { loyalty_points: `${'9'.repeat(60_000)}x` })]),
  (till, n) => of(till, [customer(n, { full_name: `a${NUL}b` })]),
  (till, n) => of(till, [insert('no_such_table', key(n), { a: 'b' })]),
  (till, n) =>
    of(till, [
      { op: 'u', table: 'orders', row: { identity: '', centralId: String(n) }, new: { status: 'stolen' } },
    ]),
  (till, n) => of(till, [{ op: 'd', table: 'orders', row: { identity: '', centralId: String(n) } }]),
];

/** Units that can never be applied since what comes before them never comes. */
const ENDLESS: readonly Make[] = [
  (till, n) => of(till, [customer(n)], { part: 1, parts: 2 }),
  (till, n) => {
    till.unit(customer(n));
    return of(till, [customer(n + 1_000_000)]);
  },
];

export const HOSTILE_KINDS = { UNREADABLE, OUT_OF_BOUNDS, REFUSED, ENDLESS } as const;

/** Bytes of the same till that were changed and signed again. */
function changed(till: FakeTill, { value }: LogRecord, change: (bytes: Buffer) => Buffer): LogRecord {
  return till.signed(0, change(value ?? Buffer.alloc(0)));
}

export class HostileTill {
  readonly #till: FakeTill;
  readonly #kinds: readonly Make[];
  #sent = 0;

  constructor(till: FakeTill, kinds: readonly Make[]) {
    this.#till = till;
    this.#kinds = kinds;
  }

  /** A record as it stands in the log, without what the log gives it. */
  next(): LogRecord {
    const make = this.#kinds[this.#sent % this.#kinds.length];
    this.#sent += 1;
    if (make === undefined) throw new Error('a hostile till needs kinds');
    const { key: name, value, headers = {} } = make(this.#till, this.#sent);
    return { key: name, value, headers };
  }
}
