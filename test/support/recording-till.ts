/** A till of one table whose triggers record what the app does. */
import { afterEach } from 'vitest';
import { openTestTill, recorded, type TestTill } from './till.ts';

export const UUID_A = '11111111-1111-4111-8111-111111111111';
export const UUID_B = '22222222-2222-4222-8222-222222222222';
/** What a minted identity looks like. */
export const HEX = /^[0-9a-f]{32}$/;

export const ITEMS = `CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, name TEXT, price NUMERIC, note,
  local_id TEXT, server_id INTEGER, sync_status TEXT, sync_operation TEXT, last_sync_at TEXT)`;
export const ITEMS_MAPPING = `version: 1
tables:
  items: {scope: global}
`;

export interface OpenTill {
  readonly till: (schema: string, mapping: string) => TestTill;
  /** A till with the table `items`. */
  readonly items: () => TestTill;
}

/** Opens tills for the tests of a file, one per test, and closes it afterwards. */
export function useTill(): OpenTill {
  let open: TestTill | undefined;
  afterEach(() => {
    open?.close();
    open = undefined;
  });
  const till = (schema: string, mapping: string): TestTill => {
    open = openTestTill({ schema, mapping });
    return open;
  };
  return { till, items: () => till(ITEMS, ITEMS_MAPPING) };
}

/** Operation and key of everything recorded, in order. */
export const ops = (t: TestTill, after = 0) => recorded(t.app, after).map(({ op, key }) => [op, key]);

export const lastSeq = (t: TestTill) =>
  t.app.prepare('SELECT max(seq) FROM sync_outbox').pluck().get() as number;
