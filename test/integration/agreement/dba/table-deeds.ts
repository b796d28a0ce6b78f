/** What a DBA does to whole tables and their columns. */
import { changeSql, pickOne, TABLES, type Deed, type Desk } from './desk.ts';
import { COLUMNS, tableSql, WITH_REFERENCES, WITHOUT_REFERENCES, type TableName } from './shop.ts';

const SWAPPED = `ALTER TABLE items RENAME low TO other; ALTER TABLE items RENAME high TO low;
  ALTER TABLE items RENAME other TO high;`;
/** Lines of tickets, and items of lines, that are no more. */
const WITHOUT_ORPHANS = `DELETE FROM lines WHERE ticket_id NOT IN (SELECT id FROM tickets);
  UPDATE lines SET item_id = NULL WHERE item_id NOT IN (SELECT id FROM items);`;

export const TABLE_DEEDS = {
  'table replaced at once': async (desk, pick) => {
    const table = pickOne(TABLES, pick) ?? 'items';
    return [[await copied(desk, table, pick), ...remade(desk, table)].join('\n')];
  },

  'table replaced step by step': async (desk, pick) => {
    const table = pickOne(TABLES, pick) ?? 'items';
    return [await copied(desk, table, pick), ...remade(desk, table)];
  },

  'table exchanged by rename': async (desk, pick) => {
    const table = pickOne(TABLES, pick) ?? 'items';
    const blue = desk.newName(table);
    const green = desk.newName(table);
    return [
      WITHOUT_REFERENCES,
      `${tableSql(table, green)} ${restOf(desk, table, green)}
       INSERT INTO ${green} (${COLUMNS[table]}) SELECT ${COLUMNS[table]} FROM ${table};
       ${changeSql(table, pick, green)}`,
      `ALTER TABLE ${table} RENAME TO ${blue}; ALTER TABLE ${green} RENAME TO ${table};
       ${WITHOUT_ORPHANS} ${WITH_REFERENCES}`,
      ...(pick % 2 === 0 ? [`DROP TABLE ${blue}`] : [changeSql(table, pick + 1, blue)]),
    ];
  },

  'column rewritten': async (_desk, pick) => {
    const deeds = [
      'ALTER TABLE items ALTER COLUMN low TYPE int USING low + 100, ALTER COLUMN high TYPE int',
      `ALTER TABLE tickets ALTER COLUMN name TYPE text USING name || '='`,
      'ALTER TABLE lines ALTER COLUMN quantity TYPE numeric(12,2) USING quantity + 1',
      `ALTER TABLE items ALTER COLUMN name TYPE text USING name || '!'`,
    ];
    return [deeds[pick % deeds.length] ?? ''];
  },

  'column made anew': async (_desk, pick) => {
    const deeds = [
      'ALTER TABLE items DROP COLUMN low, ADD COLUMN low int DEFAULT 7',
      'ALTER TABLE items DROP COLUMN high, ADD COLUMN high int',
      'ALTER TABLE lines DROP COLUMN quantity, ADD COLUMN quantity numeric(12,2) NOT NULL DEFAULT 5',
    ];
    return [deeds[pick % deeds.length] ?? ''];
  },

  'columns swapped': async () => [SWAPPED],

  'columns swapped for a while': async (_desk, pick) => [SWAPPED, changeSql('items', pick), SWAPPED],

  'column of another type': async (_desk, pick) => [
    `ALTER TABLE items ALTER COLUMN low TYPE ${pick % 2 === 0 ? 'bigint' : 'int'}`,
  ],

  'column added': async (desk, pick) => [
    `ALTER TABLE ${pick % 2 === 0 ? 'items' : 'lines'} ADD COLUMN ${desk.newName('extra')} text DEFAULT 'x'`,
  ],

  'table packed': async (_desk, pick) => [
    `VACUUM FULL ${pick % 2 === 0 ? 'items' : 'lines'}`,
    changeSql('items', pick),
  ],
} satisfies Record<string, Deed>;

/** The rows as they are brought to another place: some of them changed there, some gone. */
async function copied(desk: Desk, table: TableName, pick: number): Promise<string> {
  const gone = `id % 6 = ${pick % 6}`;
  if (table === 'tickets') await desk.takesAway(gone);
  return `${WITHOUT_REFERENCES} CREATE TABLE brought AS SELECT ${COLUMNS[table]} FROM ${table};
    ${changeSql(table, pick, 'brought')} DELETE FROM brought WHERE ${gone};`;
}

/** As a restore does it: gone, there, full. */
function remade(desk: Desk, table: TableName): string[] {
  return [
    `DROP TABLE ${table} CASCADE;`,
    `${tableSql(table)} ${restOf(desk, table, table)}`,
    `INSERT INTO ${table} (${COLUMNS[table]}) SELECT ${COLUMNS[table]} FROM brought; DROP TABLE brought;
     ${WITHOUT_ORPHANS} ${WITH_REFERENCES}`,
  ];
}

function restOf(desk: Desk, table: TableName, as: string): string {
  if (table !== 'tickets') return '';
  desk.ranges.clear();
  desk.rest = desk.newName('tickets_rest');
  return `CREATE TABLE ${desk.rest} PARTITION OF ${as} DEFAULT;`;
}
