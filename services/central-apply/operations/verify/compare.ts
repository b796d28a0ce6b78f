/** The centre's side of `verify`: digests of the rows that a till should have, and rows that may differ. It only reads. */
import { sleep } from '../../../shared/lifecycle.ts';
import { centralId, type CentralId } from '../../../shared/records/change-record.ts';
import {
  bucketCountFor,
  Buckets,
  LISTED_DIGITS,
  MOST_BUCKETS,
  sumsSql,
} from '../../../shared/verify/row-digest.ts';
import {
  digestArguments,
  listArguments,
  lookArguments,
  type CentralRowLook,
  type DigestResult,
  type ListResult,
  type LookResult,
  type RowPlace,
} from '../../../shared/verify/questions.ts';
import { keyJoin, keyParameters } from '../../rows/identity.ts';
import { fitsKey } from '../../rows/key-form.ts';
import { unnest, type Session } from '../../rows/sql.ts';
import type { OperationHandler } from '../operation.ts';
import { at, ComparedSql } from './compared-table.ts';

/** A transaction that has not ended by then is looked for again with the next question. */
const SETTLES_MS = 1_000;
const LOOK_MS = 20;

export const digestTable: OperationHandler = async ({ session, model }, given) => {
  const args = digestArguments.parse(given);
  const sql = new ComparedSql(model, args);
  const found = await session.rows(
    `SELECT bucket, count(*), ${sumsSql('digest')} FROM (${sql.rows(MOST_BUCKETS)}) r GROUP BY bucket`,
    sql.parameters,
  );
  const all = new Buckets(MOST_BUCKETS);
  for (const [bucket, rows, first, second] of found)
    all.addSum(Number(bucket), Number(rows), [BigInt(first ?? 0), BigInt(second ?? 0)]);
  const buckets = all.folded(bucketCountFor(Math.max(all.rows, args.atLeast)));
  const result: DigestResult = {
    table: sql.table.name,
    columns: sql.columns,
    rows: buckets.rows,
    count: buckets.count,
    buckets: buckets.encode(),
  };
  return { result, done: true };
};

export const listRows: OperationHandler = async ({ session, model }, given) => {
  const args = listArguments.parse(given);
  const sql = new ComparedSql(model, args);
  const text = sql.rows(args.buckets);
  const found = await session.rows(
    `SELECT id, left(encode(digest, 'hex'), ${LISTED_DIGITS}) FROM (${text}) r
      WHERE bucket = ANY ($${sql.parameters.length + 1}::integer[])`,
    [...sql.parameters, `{${args.of.join(',')}}`],
  );
  const result: ListResult = { rows: found.map(([id, digest]) => [id ?? '', digest ?? '']) };
  return { result, done: true };
};

export const lookAtRows: OperationHandler = async ({ session, model }, given) => {
  const args = lookArguments.parse(given);
  const sql = new ComparedSql(model, args);
  const settled = args.settles && (await allVisible(session));
  const { table } = sql;
  const ids = args.ids.filter((id) => fitsKey(table, id)) as CentralId[];
  const place = sql.place(table, 't');
  const keys = keyParameters(table, ids);
  const columns = sql.columns.map(({ name }) => at('t', name));
  const wanted = unnest(table.key.length, { from: sql.parameters.length + 1 });
  const selected = [...table.key.map((column) => at('t', column)), place, ...columns].join(', ');
  const found = await session.rows(
    `SELECT ${selected} FROM ${wanted} JOIN ${table.sql} t ON ${keyJoin(table)}`,
    [...sql.parameters, ...keys],
  );
  const byId = new Map(
    found.map((row): [string, CentralRowLook] => {
      const id = centralId(row.slice(0, table.key.length).map((text) => text ?? ''));
      const [where = null, ...values] = row.slice(table.key.length);
      return [id, { id, values, place: where as RowPlace }];
    }),
  );
  const gone = (id: string): CentralRowLook => ({ id, values: null, place: 'none' });
  const result: LookResult = { rows: args.ids.map((id) => byId.get(id) ?? gone(id)), settled };
  return { result, done: true };
};

/**
 * Waits until the next statement sees everything whose commit a till may have read from the WAL by now: a commit stands
 * there before it is visible, with a synchronous standby for as long as that takes. So whatever is in progress now has to
 * end first; without such a standby a transaction that is still open after a second was not committed before it.
 */
async function allVisible(session: Session): Promise<boolean> {
  const [[newest = null] = []] = await session.rows('SELECT pg_snapshot_xmax(pg_current_snapshot())');
  const deadline = performance.now() + SETTLES_MS;
  for (;;) {
    const [[isOpen = null] = []] = await session.rows(
      'SELECT EXISTS (SELECT FROM pg_snapshot_xip(pg_current_snapshot()) AS open WHERE open < $1::xid8)',
      [newest],
    );
    if (isOpen === 'f') return true;
    if (performance.now() >= deadline) break;
    await sleep(LOOK_MS);
  }
  const [[standbys = null] = []] = await session.rows(`SELECT current_setting('synchronous_standby_names')`);
  return standbys === '';
}
