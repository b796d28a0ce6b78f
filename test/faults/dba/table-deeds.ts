/** What a DBA does to whole tables and their columns, with whatever refers to them. */
import { editSql, type Deed, type Desk, type TableName } from './desk.ts';

/** Those with an id from a sequence of their own, to which at most orders refer. */
const REPLACED = ['discounts', 'order_items', 'payments'] as const;
/** Further than any number that somebody has taken from the sequence before. */
const AHEAD = 1_000;

const SWAPPED = `ALTER TABLE order_items RENAME tax_amount TO other;
  ALTER TABLE order_items RENAME discount_amount TO tax_amount;
  ALTER TABLE order_items RENAME other TO discount_amount;`;

export const TABLE_DEEDS: Readonly<Record<string, Deed>> = {
  'table replaced at once': async (desk) => {
    const table = desk.oneOf(REPLACED) ?? 'payments';
    return [[...brought(desk, table), `DROP TABLE ${table} CASCADE;`, ...remade(table)].join('\n')];
  },

  'table dropped, made and filled again, as by a restore': async (desk) => {
    const table = desk.oneOf(REPLACED) ?? 'payments';
    const [make = '', fill = ''] = remade(table);
    return [[...brought(desk, table), `DROP TABLE ${table} CASCADE;`].join('\n'), make, fill];
  },

  'table exchanged by rename, and the old one changed': async (desk) => {
    const table = desk.oneOf(REPLACED) ?? 'payments';
    const old = desk.newName(table);
    const away = `${withoutReferences(table)} ALTER TABLE ${table} RENAME TO ${old};`;
    return [[...brought(desk, table), away, ...remade(table)].join('\n'), editSql(desk, table, old)];
  },

  'table renamed away and back': async (desk) => {
    const table = desk.oneOf(REPLACED) ?? 'payments';
    const [away, edit] = [`ALTER TABLE ${table} RENAME TO away`, editSql(desk, table, 'away')];
    return [away, edit, `ALTER TABLE away RENAME TO ${table}`];
  },

  'column rewritten': async (desk) => [
    desk.oneOf([
      `ALTER TABLE customers ALTER notes TYPE text USING coalesce(notes, '') || '='`,
      'ALTER TABLE order_items ALTER tax_amount TYPE numeric(12,2) USING tax_amount + 1',
      `ALTER TABLE payments ALTER reference TYPE text USING coalesce(reference, '') || '='`,
    ]) ?? '',
  ],

  'column made anew': async (desk) => [
    desk.oneOf([
      `ALTER TABLE customers DROP phone, ADD phone text DEFAULT 'new'`,
      'ALTER TABLE order_items DROP tax_amount, ADD tax_amount numeric(12,2) NOT NULL DEFAULT 0.5',
      `ALTER TABLE payments DROP reference, ADD reference text DEFAULT 'new'`,
    ]) ?? '',
  ],

  'columns swapped': async (desk) => [editSql(desk, 'order_items'), SWAPPED],

  'columns swapped for a while': async (desk) => [SWAPPED, editSql(desk, 'order_items'), SWAPPED],

  'column of another type': async (desk) => [
    `ALTER TABLE order_items ALTER line_number TYPE ${desk.oneOf(['bigint', 'integer']) ?? 'bigint'}`,
  ],

  'column added': async (desk) => [
    `ALTER TABLE ${desk.table()} ADD COLUMN ${desk.newName('extra')} text DEFAULT 'x'`,
  ],

  'table packed': async (desk) => [`VACUUM FULL ${desk.oneOf(REPLACED) ?? 'payments'}`],
};

/** The rows as they are brought to another place, some of them changed there; and what refers to the table. */
function brought(desk: Desk, table: TableName): string[] {
  return [
    `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE;
     CREATE TABLE brought AS SELECT * FROM ${table}; ${editSql(desk, table, 'brought')};
     CREATE TABLE form (LIKE ${table} INCLUDING ALL);
     CREATE TABLE references_of AS SELECT conrelid = '${table}'::regclass AS own, conrelid::regclass::text AS holder,
         conname AS name, pg_get_constraintdef(oid) AS definition
       FROM pg_constraint WHERE contype = 'f' AND '${table}'::regclass IN (conrelid, confrelid);`,
  ];
}

function withoutReferences(table: string): string {
  return `DO $$ DECLARE it record; BEGIN
    FOR it IN SELECT * FROM references_of LOOP
      EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', CASE WHEN it.own THEN '${table}' ELSE it.holder END, it.name);
    END LOOP; END $$;`;
}

/** Two transactions of a restore: the empty table, then its rows and what refers to them. */
function remade(table: string): [make: string, fill: string] {
  return [
    `CREATE TABLE ${table} (LIKE form INCLUDING ALL);
     SELECT setval(pg_get_serial_sequence('${table}', 'id'), ${AHEAD} + (SELECT max(id) FROM brought));
     CREATE TRIGGER touch_updated_at BEFORE UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION touch_updated_at();`,
    `INSERT INTO ${table} OVERRIDING SYSTEM VALUE SELECT * FROM brought;
     DO $$ DECLARE it record; BEGIN
       FOR it IN SELECT * FROM references_of LOOP
         EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s',
           CASE WHEN it.own THEN '${table}' ELSE it.holder END, it.name, it.definition);
       END LOOP; END $$;
     DROP TABLE brought, form, references_of;`,
  ];
}
