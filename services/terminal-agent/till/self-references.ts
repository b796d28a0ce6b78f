/**
 * A row that refers to itself by a foreign key with ON UPDATE CASCADE, and whose key changes. SQLite lets the
 * reference follow by a nested update of the same row, which fires its triggers before those of the outer
 * update: at that moment the row has its new key, and all that is kept of it still stands under the old one.
 * Recorded there, it would be taken for a row that nobody knows, and go up a second time.
 *
 * To the centre nothing happened, the row refers to itself as before; so the nested update is not recorded.
 */
import { quoteName } from './local-schema.ts';
import { type Trigger, type TriggerSql, pinStatements } from './trigger-sql.ts';

/** Mapped columns in which a row may name itself by its key. */
function selfReferences({ bound: { local, columns } }: TriggerSql): string[] {
  const [key] = local.key;
  if (key === undefined || local.key.length > 1) return [];
  const followed = local.foreignKeys
    .filter(({ parent }) => parent.toLowerCase() === local.name.toLowerCase())
    .filter(({ parentColumns: [column = key] }) => column.toLowerCase() === key.toLowerCase())
    .map(({ columns: [column] }) => column?.toLowerCase());
  return columns
    .filter(({ reference }) => reference?.table === local.name && reference.holds === 'local_key')
    .map(({ local: name }) => name)
    .filter((name) => followed.includes(name.toLowerCase()));
}

/** Makes sure that something is kept under the old key, by which the nested update is known for what it is. */
export function selfTrigger(t: TriggerSql): Trigger | null {
  const references = selfReferences(t);
  if (references.length === 0) return null;
  const key = t.key('OLD');
  const itself = references.map((column) => `OLD.${quoteName(column)} = ${key}`).join(' OR ');
  return t.trigger(
    'self',
    `BEFORE UPDATE OF ${t.bound.local.key.map(quoteName).join(', ')} ON ${t.table}`,
    `${t.notSilent} AND (${key}) IS NOT (${t.key('NEW')}) COLLATE BINARY AND (${itself})`,
    pinStatements(t, 'OLD'),
  );
}

/**
 * SQL, to follow a condition on an update: it is not such a nested one. An update of the app's own looks
 * different: the row that it takes the reference from still lives, or nothing is kept under its key.
 */
export function andNotSelfCascade(t: TriggerSql): string {
  return selfReferences(t)
    .map((column) => {
      const [before, after] = [`OLD.${quoteName(column)}`, `NEW.${quoteName(column)}`];
      return ` AND NOT (${after} = ${t.key('NEW')} AND ${before} <> ${after} AND (${t.key('OLD')}) IS (${t.key('NEW')})
    AND EXISTS (SELECT 1 FROM sync_identity WHERE ${t.isRow(`+${before}`)})
    AND NOT EXISTS (SELECT 1 FROM ${t.table} AS t WHERE ${t.key('t').replace(/^\+/, '')} = ${before}))`;
    })
    .join('');
}
