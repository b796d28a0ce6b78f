/**
 * The world's shop as a DBA has it: tickets are partitioned by id, ids come from sequences of their own (which stay when
 * a table is replaced), and items have two columns of one type.
 */
import { FIRST_ROWS, MAPPING, OWN_COLUMNS, type Shop } from '../schema.ts';

export type TableName = 'items' | 'tickets' | 'lines';

export const COLUMNS: Readonly<Record<TableName, string>> = {
  items: 'id, sku, name, stock, low, high, updated_at',
  tickets: 'id, store_id, number, name, updated_at',
  lines: 'id, ticket_id, item_id, quantity, updated_at',
};

/** Statements that make the table, as it was made at first. @param as its name; of its own are the names below it */
export function tableSql(table: TableName, as: string = table): string {
  const touch = `CREATE TRIGGER touch BEFORE UPDATE ON ${as} FOR EACH ROW EXECUTE FUNCTION touch();`;
  const id = `id bigint DEFAULT nextval('${table}_ids') PRIMARY KEY`;
  const updated = 'updated_at timestamptz NOT NULL DEFAULT clock_timestamp()';
  switch (table) {
    case 'items':
      return `CREATE TABLE ${as} (${id}, sku text NOT NULL UNIQUE, name text NOT NULL,
        stock numeric(14,2) NOT NULL DEFAULT 0, low int DEFAULT 1, high int DEFAULT 9, ${updated}); ${touch}`;
    case 'tickets':
      return `CREATE TABLE ${as} (${id}, store_id bigint NOT NULL, number text NOT NULL, name text NOT NULL, ${updated})
        PARTITION BY RANGE (id); ${touch}`;
    case 'lines':
      return `CREATE TABLE ${as} (${id}, ticket_id bigint NOT NULL, item_id bigint, quantity numeric(12,2) NOT NULL,
        ${updated}); ${touch}`;
  }
}

export const WITHOUT_REFERENCES = `
  ALTER TABLE lines DROP CONSTRAINT IF EXISTS to_ticket; ALTER TABLE lines DROP CONSTRAINT IF EXISTS to_item;`;
export const WITH_REFERENCES = `
  ALTER TABLE lines ADD CONSTRAINT to_ticket FOREIGN KEY (ticket_id) REFERENCES tickets ON DELETE CASCADE,
                    ADD CONSTRAINT to_item FOREIGN KEY (item_id) REFERENCES items ON DELETE SET NULL;`;

/** The partition for whatever has none of its own. */
export const FIRST_REST = 'tickets_rest';

export const DBA_SHOP: Shop = {
  centralSchema: `
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END $$;
    CREATE SEQUENCE items_ids; CREATE SEQUENCE tickets_ids; CREATE SEQUENCE lines_ids;
    ${tableSql('items')} ${tableSql('tickets')} ${tableSql('lines')}
    CREATE TABLE ${FIRST_REST} PARTITION OF tickets DEFAULT;
    ${WITH_REFERENCES}`,
  firstRows: FIRST_ROWS,
  localSchema: `
    CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
      stock NUMERIC NOT NULL DEFAULT 0, low INTEGER, high INTEGER, ${OWN_COLUMNS});
    CREATE TABLE tickets (id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, name TEXT NOT NULL, ${OWN_COLUMNS});
    CREATE TABLE lines (id INTEGER PRIMARY KEY, ticket_id INTEGER NOT NULL REFERENCES tickets (id),
      item_id INTEGER REFERENCES items (id), quantity NUMERIC NOT NULL, ${OWN_COLUMNS});`,
  mapping: MAPPING,
  // What a DBA does is seen at the next heartbeat.
  capture: { heartbeatMs: 200 },
  // A superuser sees all rows, whatever secures them.
  capturesAs: 'owner',
};
