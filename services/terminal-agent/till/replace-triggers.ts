/**
 * INSERT OR REPLACE and UPDATE OR REPLACE remove the rows in their way without firing a DELETE trigger. So a
 * BEFORE trigger notes the rows in the way, and an AFTER trigger looks which of them are gone. (A BEFORE
 * trigger alone cannot tell: OR IGNORE and an upsert fire it too, and remove nothing.)
 *
 * A replaced row that keeps its key, or its UUID, is to the centre the same row, updated: `INSERT OR REPLACE
 * INTO settings` is how many apps write. Any other evicted row was deleted.
 */
import { quoteName } from './local-schema.ts';
import { NOW_MS_SQL, type Trigger, type TriggerSql } from './trigger-sql.ts';

export function replaceTriggers(t: TriggerSql): Trigger[] {
  const constraints = uniqueConstraints(t);
  return [
    recordGone(t),
    noteBefore(t, 'evict', `BEFORE INSERT ON ${t.table}`, constraints, null),
    noteBefore(t, 'displace', `BEFORE UPDATE OF ${columnsOf(constraints)} ON ${t.table}`, constraints, 'OLD'),
    afterReplace(t),
  ];
}

function uniqueConstraints({ bound: { local } }: TriggerSql): string[][] {
  // A partial index evicts fewer rows than its columns say; which ones are gone is looked at afterwards.
  const all = [local.key, ...local.uniques, ...(local.partialUniques ?? [])].map((columns) => [...columns]);
  return all.filter((columns) => columns.length > 0);
}

function columnsOf(constraints: readonly (readonly string[])[]): string {
  return [...new Set(constraints.flat())].map(quoteName).join(', ');
}

/** Notes the rows that share a unique value with NEW; always clears what an earlier statement left. */
function noteBefore(
  t: TriggerSql,
  suffix: string,
  event: string,
  constraints: readonly (readonly string[])[],
  self: 'OLD' | null,
): Trigger {
  const inTheWay = constraints.map((columns) =>
    columns.map((column) => `t.${quoteName(column)} = NEW.${quoteName(column)}`).join(' AND '),
  );
  const keys = t.bound.local.key;
  const other =
    self === null
      ? '1'
      : `NOT (${keys.map((column) => `t.${quoteName(column)} IS ${self}.${quoteName(column)}`).join(' AND ')})`;
  const key = t.key('t');
  const values = t.mapped.map((column) => `, t.${quoteName(column)}`).join('');
  // One statement per constraint: each can use its index, an OR over all of them may not.
  const conflicts = inTheWay.map((condition) => `${other} AND ${condition}`);
  const exists = conflicts.map((condition) => `EXISTS (SELECT 1 FROM ${t.table} AS t WHERE ${condition})`);
  const names = [
    'state',
    'row_key',
    'identity',
    'central_id',
    ...keys.map((_, index) => `key_${index}`),
    ...t.mapped.map((column) => quoteName(`old_${column}`)),
  ];
  return t.trigger(
    suffix,
    event,
    `${t.notSilent} AND (${[`EXISTS (SELECT 1 FROM ${t.evicted})`, ...exists].join('\n    OR ')})`,
    [
      `DELETE FROM ${t.evicted}`,
      ...conflicts.map(
        (condition) => `INSERT INTO ${t.evicted} (${names.join(', ')})
      SELECT 0, ${key}, ${t.identity('t')}, ${t.centralId(key)}${keys.map((column) => `, t.${quoteName(column)}`).join('')}${values}
      FROM ${t.table} AS t WHERE ${condition}
      AND NOT EXISTS (SELECT 1 FROM ${t.evicted} AS e WHERE ${keys.map((column, index) => `e.key_${index} IS t.${quoteName(column)}`).join(' AND ')})`,
      ),
    ],
  );
}

/** SQL: the noted row `e` is still in the table, and is not the row just written. */
function stillThere(t: TriggerSql): string {
  const keys = t.bound.local.key;
  const same = keys
    .map((column, index) => `t.${quoteName(column)} = ${t.evicted}.key_${index}`)
    .join(' AND ');
  const isNew = keys
    .map((column, index) => `${t.evicted}.key_${index} IS NEW.${quoteName(column)}`)
    .join(' AND ');
  return `NOT (${isNew}) AND EXISTS (SELECT 1 FROM ${t.table} AS t WHERE ${same})`;
}

/** After UPDATE OR REPLACE: the rows in its way that are gone. */
export function displacedTrigger(t: TriggerSql): Trigger {
  const columns = columnsOf(uniqueConstraints(t));
  return t.trigger(
    'displaced',
    `AFTER UPDATE OF ${columns} ON ${t.table}`,
    `${t.notSilent} AND EXISTS (SELECT 1 FROM ${t.evicted} WHERE state = 0)`,
    [
      `UPDATE ${t.evicted} SET state = 3 WHERE state = 0 AND ${stillThere(t)}`,
      `UPDATE ${t.evicted} SET state = 2 WHERE state = 0`,
    ],
  );
}

/** A noted row turned out to be gone: its deletion, as the delete trigger would have recorded it. */
function recordGone(t: TriggerSql): Trigger {
  const values = t.mapped.map((column) => quoteName(`old_${column}`));
  return t.trigger('gone', `AFTER UPDATE OF state ON ${t.evicted}`, 'NEW.state = 2', [
    t.outbox('d', 'NEW.row_key'),
    `INSERT INTO ${t.syncChange} (seq, identity, central_id${values.map((value) => `, ${value}`).join('')})
      VALUES (last_insert_rowid(), NEW.identity, NEW.central_id${values.map((value) => `, NEW.${value}`).join('')})`,
    ...retireGone(t),
    `DELETE FROM sync_identity WHERE ${t.isRow('NEW.row_key')}`,
    `UPDATE ${t.syncRow} SET row_key = NULL WHERE row_key = NEW.row_key`,
  ]);
}

function retireGone(t: TriggerSql): string[] {
  if (t.identityColumn === null) return [];
  return [
    `INSERT INTO sync_retired (table_name, identity) SELECT ${t.name}, NEW.identity
      WHERE NOT EXISTS (SELECT 1 FROM sync_retired WHERE table_name = ${t.name} AND identity = NEW.identity)`,
  ];
}

/** After an insert with rows in its way: one of them may live on as the new row, the others are gone. */
function afterReplace(t: TriggerSql): Trigger {
  const key = t.key('NEW');
  const kept = (what: string) => `(SELECT ${what} FROM ${t.evicted} WHERE state = 1)`;
  const moved = `${kept('row_key')} IS NOT NULL AND ${kept('row_key')} IS NOT (${key})`;
  const sameUuid =
    t.identityColumn === null ? '0' : `(${t.usable('NEW')} AND identity = NEW.${t.identityColumn})`;
  const oldValues = t.mapped.map((column) => quoteName(`old_${column}`));
  const newValues = t.mapped.map((column) => quoteName(`new_${column}`));
  const known = `EXISTS (SELECT 1 FROM ${t.evicted} AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = ${t.name} AND row_key = e.row_key AND outcome IS NULL)
      OR ${t.sentByFormerKey('e.identity')}))`;
  const changed = `NOT EXISTS (SELECT 1 FROM ${t.evicted} AS e WHERE e.state = 1 AND NOT (${t.differs('e', 'NEW', 'old_')}))
      OR NOT ${known}`;
  return t.trigger(
    'replace',
    `AFTER INSERT ON ${t.table}`,
    `${t.notSilent} AND EXISTS (SELECT 1 FROM ${t.evicted} WHERE state = 0)`,
    [
      `UPDATE ${t.evicted} SET state = 3 WHERE state = 0 AND ${stillThere(t)}`,
      `UPDATE ${t.evicted} SET state = 1 WHERE rowid = (SELECT rowid FROM ${t.evicted}
      WHERE state = 0 AND (row_key = ${key} OR ${sameUuid}) ORDER BY row_key = ${key} DESC LIMIT 1)`,
      `UPDATE ${t.evicted} SET state = 2 WHERE state = 0`,
      ...t.keyMove(kept('row_key'), key, kept('identity'), moved),
      `DELETE FROM sync_identity WHERE ${t.isRow(key)}`,
      `INSERT INTO sync_identity (table_name, row_key, identity)
      SELECT ${t.name}, ${key}, coalesce(${kept('identity')}, lower(hex(randomblob(16))))
      WHERE (${key}) IS NOT NULL AND (${kept('identity')} IS NOT NULL OR NOT ${t.usable('NEW')} OR ${t.retired('NEW')} OR ${t.copied('NEW')})`,
      `UPDATE ${t.syncRow} SET row_key = NULL WHERE row_key = ${key} AND ${kept('state')} IS NULL`,
      `INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms)
      SELECT ${t.name}, CASE WHEN ${known} THEN 'u' ELSE 'c' END, ${key}, ${NOW_MS_SQL} WHERE ${changed}`,
      `INSERT INTO ${t.syncChange} (seq, identity, central_id${[...oldValues, ...newValues].map((value) => `, ${value}`).join('')})
      SELECT last_insert_rowid(), ${t.identity('NEW')}, ${t.centralId(key)}${oldValues.map((value) => `, e.${value}`).join('')}${t.mapped.map((column) => `, NEW.${quoteName(column)}`).join('')}
      FROM (SELECT 1) LEFT JOIN ${t.evicted} AS e ON e.state = 1
      WHERE NOT EXISTS (SELECT 1 FROM ${t.syncChange} AS c WHERE c.seq = last_insert_rowid())
      AND EXISTS (SELECT 1 FROM sync_outbox AS o WHERE o.seq = last_insert_rowid() AND o.table_name = ${t.name} AND o.op IN ('c', 'u'))`,
      ...t.status('update'),
    ],
  );
}
