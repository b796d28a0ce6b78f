/**
 * The triggers that record what the app does. They run inside the app's statement and inside its SQLite
 * library, so they use only syntax of SQLite 3.8, no JSON and no conflict clauses (an outer OR REPLACE or OR
 * IGNORE would override them), and write only into tables that cannot refuse a value.
 *
 * Order matters: SQLite fires the newest trigger first, and ours must fire before the app's own AFTER
 * triggers, whose nested changes would otherwise be recorded before the change that caused them. The till
 * database installs ours last, and again after the app adds one.
 *
 * Tables with `direction: push` are recorded alike (nothing of them is published): the recorded old values
 * are what puts a local edit back.
 */
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import { quoteName } from './local-schema.ts';
import { displacedTrigger, replaceTriggers } from './replace-triggers.ts';
import { andNotSelfCascade, selfTrigger } from './self-references.ts';
import { NOW_MS_SQL, pinStatements, type Trigger, type TriggerSql, triggerSql } from './trigger-sql.ts';

/** Names of our triggers: `sync_<part>_<table>`. */
export const TRIGGER_NAME =
  /^sync_(pin|self|offer|gone|evict|displace|displaced|replace|delete|update|rekey|insert)_./;

/**
 * The triggers of one table, in the order in which they must be created.
 * @param statusColumns the status columns that triggers may write; see status-columns.ts
 */
export function triggersOf(table: BoundTable, statusColumns: readonly string[]): Trigger[] {
  const t = triggerSql(table, statusColumns);
  const triggers = [
    pinIdentity(t),
    selfTrigger(t),
    offerUnknownRow(t),
    ...replaceTriggers(t),
    deleteTrigger(t),
    updateTrigger(t),
    rekeyTrigger(t),
    // Fires before the update trigger: what an evicted row leaves must be gone before its key is taken over.
    displacedTrigger(t),
    insertTrigger(t),
  ];
  return triggers.filter((trigger) => trigger !== null);
}

function insertTrigger(t: TriggerSql): Trigger {
  const key = t.key('NEW');
  return t.trigger(
    'insert',
    `AFTER INSERT ON ${t.table}`,
    `${t.notSilent} AND NOT EXISTS (SELECT 1 FROM ${t.evicted})`,
    [
      // What a deleted row may have left behind while triggers were missing must not pass to the new one.
      `UPDATE ${t.syncRow} SET row_key = NULL WHERE row_key = ${key}`,
      `DELETE FROM sync_identity WHERE ${t.isRow(key)}`,
      t.mint('NEW'),
      t.outbox('c', key),
      t.change({ newRow: 'NEW', identity: t.identity('NEW'), central: 'NULL' }),
      ...t.status('insert'),
    ],
  );
}

function updateTrigger(t: TriggerSql): Trigger {
  const [from, to] = [t.key('OLD'), t.key('NEW')];
  const moved = `(${from}) IS NOT (${to}) COLLATE BINARY`;
  return t.trigger(
    'update',
    `AFTER UPDATE ON ${t.table}`,
    `${t.notSilent} AND (${t.differs('OLD', 'NEW')})${andNotSelfCascade(t)}`,
    [
      ...t.keyMove(from, to, t.identity('OLD'), moved),
      t.mint('NEW'),
      t.outbox('u', to),
      t.change({ oldRow: 'OLD', newRow: 'NEW', identity: t.identity('NEW'), central: t.centralId(to) }),
      ...t.status('update'),
    ],
  );
}

/** Only the till's own number of a row changes: nothing goes up, but what is kept by key goes with it. */
function rekeyTrigger(t: TriggerSql): Trigger {
  const [from, to] = [t.key('OLD'), t.key('NEW')];
  const keys = t.bound.local.key.map(quoteName).join(', ');
  return t.trigger(
    'rekey',
    `AFTER UPDATE OF ${keys} ON ${t.table}`,
    `${t.notSilent} AND (${from}) IS NOT (${to}) COLLATE BINARY AND NOT (${t.differs('OLD', 'NEW')})`,
    t.keyMove(from, to, t.identity('OLD'), '1'),
  );
}

function deleteTrigger(t: TriggerSql): Trigger {
  const key = t.key('OLD');
  return t.trigger('delete', `AFTER DELETE ON ${t.table}`, t.notSilent, [
    t.outbox('d', key),
    t.change({ oldRow: 'OLD', identity: t.identity('OLD'), central: t.centralId(key) }),
    ...t.retire('OLD'),
    `DELETE FROM sync_identity WHERE ${t.isRow(key)}`,
    `UPDATE ${t.syncRow} SET row_key = NULL WHERE row_key = ${key}`,
    // With recursive_triggers on, REPLACE does fire this trigger: then it was not evicted silently.
    `DELETE FROM ${t.evicted} WHERE row_key = ${key}`,
  ]);
}

/** The app changes the UUID of a row, or gives it its first: to the centre it stays the row it was. */
function pinIdentity(t: TriggerSql): Trigger | null {
  const column = t.identityColumn;
  if (column === null) return null;
  return t.trigger(
    'pin',
    `BEFORE UPDATE OF ${column} ON ${t.table}`,
    `${t.notSilent} AND OLD.${column} IS NOT NEW.${column} COLLATE BINARY`,
    pinStatements(t, 'OLD'),
  );
}

/**
 * A row that was there before the agent is edited before bootstrap came to it: it is offered as it stands
 * first, so that the edit that follows finds a row at the centre.
 */
function offerUnknownRow(t: TriggerSql): Trigger | null {
  if (!t.published) return null;
  const key = t.key('OLD');
  const unknown = `NOT EXISTS (SELECT 1 FROM ${t.syncRow} WHERE row_key = ${key})
    AND NOT EXISTS (SELECT 1 FROM sync_outbox WHERE ${t.isRow(key)} AND outcome IS NULL)`;
  return t.trigger(
    'offer',
    `BEFORE UPDATE ON ${t.table}`,
    `${t.notSilent} AND (${t.differs('OLD', 'NEW')}) AND ${unknown}${andNotSelfCascade(t)}`,
    [
      t.mint('OLD'),
      t.outbox('r', key),
      t.change({ newRow: 'OLD', identity: t.identity('OLD'), central: 'NULL' }),
    ],
  );
}

/**
 * SQL with which bootstrap offers an existing row, named by its key columns (@key_0, @key_1 …): what the
 * triggers would have written had they seen it.
 */
export function offerSql(table: BoundTable): { mint: string; outbox: string; change: string } {
  const t = triggerSql(table, []);
  const here = table.local.key.map((column, index) => `source.${quoteName(column)} = @key_${index}`);
  const from = `FROM ${t.table} AS source WHERE ${here.join(' AND ')}`;
  const columns = table.columns.map(({ local }) => local);
  return {
    mint: `INSERT INTO sync_identity (table_name, row_key, identity)
      SELECT ${t.name}, ${t.key('source')}, lower(hex(randomblob(16))) ${from} AND (${t.needsMint('source')})`,
    outbox: `INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms)
      SELECT ${t.name}, 'r', ${t.key('source')}, ${NOW_MS_SQL} ${from}`,
    change: `INSERT INTO ${t.syncChange} (seq, identity${columns.map((column) => `, ${quoteName(`new_${column}`)}`).join('')})
      SELECT @seq, ${t.identity('source')}${columns.map((column) => `, source.${quoteName(column)}`).join('')} ${from}`,
  };
}
