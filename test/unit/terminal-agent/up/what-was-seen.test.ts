/** What a change says of what its till saw at the centre. */
import { describe, expect, it } from 'vitest';
import { ZERO_POSITION, encodePosition } from '../../../../services/shared/records/position.ts';
import { useTillPull } from '../../../support/till-pull.ts';

const SCHEMA = `CREATE TABLE shops (id INTEGER PRIMARY KEY, name TEXT, local_id TEXT);
CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, note TEXT, stock NUMERIC, shop INTEGER REFERENCES shops (id),
  updated_at TEXT, local_id TEXT);`;
const mapping = (granularity: string) => `version: 1
tables:
  shops: {scope: global}
  items: {scope: global, granularity: ${granularity}, references: {shop: shops}, columns: {stock: {policy: delta}}}
`;
const open = useTillPull();

async function edited(granularity: string, sql: string) {
  const t = await open({ schema: SCHEMA, mapping: mapping(granularity) });
  t.app.exec(`INSERT INTO shops VALUES (1, 'main', NULL)`);
  t.app.exec(`INSERT INTO items VALUES (1, 'pear', NULL, 5, 1, 'then', NULL)`);
  t.capture.cutAll();
  t.app.exec(sql);
  await t.pull();
  const changes = await t.changes();
  return { shop: changes[0]?.row.identity, last: changes.at(-1) };
}

describe('the columns that an edit left alone', () => {
  it('go up as they were seen where the row is judged as a whole: a parent by its name, no amount, no timestamp', async () => {
    const { shop, last } = await edited('row', `UPDATE items SET name = 'apple', stock = 4`);
    expect(last).toMatchObject({ op: 'u', image: encodePosition(ZERO_POSITION).toString('hex') });
    expect(last?.others).toEqual([
      { name: 'note', old: null, new: null },
      { name: 'shop', old: null, new: null, seen: { text: `~${shop}` } },
    ]);
    expect(last?.references).toEqual([]);
  });

  it('stay where it is judged column by column, and where nothing but an amount or the timestamp moved', async () => {
    expect((await edited('column', `UPDATE items SET name = 'apple'`)).last?.others).toBeUndefined();
  });

  it.each([`UPDATE items SET stock = 4`, `UPDATE items SET updated_at = 'now'`])(
    'stay with %s',
    async (sql) => {
      const { last } = await edited('row', sql);
      expect(last?.op).toBe('u');
      expect(last?.others).toBeUndefined();
    },
  );
});
