/** Bytes that are no UTF-8 go up as they are: the driver would put another letter in their place. */
import { describe, expect, test } from 'vitest';
import { toCentralText } from '../../../../services/shared/values/values.ts';
import { openShopTill, product, SHOP_SCHEMA } from '../../../support/shop-till.ts';
import { useTillPull, type TillPull } from '../../../support/till-pull.ts';

const open = useTillPull();
const SCHEMA = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, more TEXT)';
const MAPPING = 'version: 1\ntables:\n  notes: {scope: global}\n';
const text = (hex: string) => `CAST(X'${hex}' AS TEXT)`;

test('of every kind of change, and a true U+FFFD stays the letter that it is', async () => {
  const t = await open({ schema: SCHEMA, mapping: MAPPING });
  t.app.exec(`INSERT INTO notes (text, more) VALUES (${text('436166E9')}, char(65533))`);
  await t.pull();
  t.app.exec(`UPDATE notes SET text = ${text('436166EA')}, more = 'plain'`);
  await t.pull();
  t.app.exec('DELETE FROM notes');
  await t.pull();
  const values = (await t.changes()).map(({ op, columns }) => [
    op,
    ...columns.map(({ name, old, new: next }) => [name, old, next]),
  ]);
  const [e, f] = [Buffer.from('436166E9', 'hex'), Buffer.from('436166EA', 'hex')];
  expect(values).toEqual([
    ['c', ['text', null, e], ['more', null, '\ufffd']],
    ['u', ['text', e, f], ['more', '\ufffd', 'plain']],
    ['d', ['text', f, null], ['more', 'plain', null]],
  ]);
});

test('the hash of a unit that an earlier version cut still fits', async () => {
  const t = await open({ schema: SCHEMA, mapping: MAPPING });
  t.app.exec(`INSERT INTO notes (text) VALUES (${text('436166E9')})`);
  await t.pull();
  t.restart();
  t.app.exec(`INSERT INTO notes (text) VALUES (${text('FF')})`);
  await t.pull();
  expect((await t.units()).map(({ number }) => number)).toEqual([1, 2]);
});

describe.each(['UTF-16le', 'UTF-16be'] as const)(
  'half a letter in a file that keeps its texts as %s',
  (encoding) => {
    const units = (letters: string) => {
      const bytes = Buffer.from(letters, 'utf16le');
      return text((encoding === 'UTF-16be' ? bytes.swap16() : bytes).toString('hex'));
    };
    const inFile = (schema: string) => `PRAGMA encoding = '${encoding}'; ${schema}`;

    test('is told by bytes that no one reads as text, wherever it stands', async () => {
      const t = await open({ schema: inFile(SCHEMA), mapping: MAPPING, journalMode: 'delete' });
      expect(t.app.pragma('encoding', { simple: true })).toBe(encoding);
      for (const halves of ['A\ud800', 'A\ud800b', '\udc00b', '\ud800\ud800'])
        t.app.exec(`INSERT INTO notes (text, more) VALUES (${units(halves)}, 'Größe 😀' || char(65533))`);
      await t.pull();
      const sent = (await t.changes()).map(({ columns }) => columns.map(({ new: next }) => next));
      const [high, low] = [Buffer.from('eda080', 'hex'), Buffer.from('edb080', 'hex')];
      const [A, b] = [Buffer.from('A'), Buffer.from('b')];
      expect(sent).toEqual(
        [
          [A, high],
          [A, high, b],
          [low, b],
          [high, high],
        ].map((parts) => [Buffer.concat(parts), 'Größe 😀\ufffd']),
      );
    });

    test('is the same when its row is written anew', async () => {
      const shop = openShopTill({ schema: inFile(SHOP_SCHEMA), journalMode: 'delete' });
      try {
        const { catalog } = shop;
        const both = (lsn: number, a: string, b: string) =>
          shop.toCatalog(
            catalog.commit(
              lsn,
              catalog.row('products', 7, product(a)),
              catalog.row('products', 8, product(b)),
            ),
          );
        await both(100, 'A', 'B');
        shop.test.app.exec(`UPDATE products SET shelf = ${units('\ud800b')} WHERE sku = 'A'`);
        const shelf = () =>
          shop.rows('SELECT hex(CAST(shelf AS BLOB)) AS bytes, typeof(shelf) AS is_a FROM products');
        const before = shelf();
        await both(101, 'B', 'A');
        expect(shop.rows('SELECT sku FROM products ORDER BY server_id')).toEqual([
          { sku: 'B' },
          { sku: 'A' },
        ]);
        expect(shelf()).toEqual(before);
      } finally {
        shop.close();
      }
    });
  },
);

const CHARSET = 'version: 1\ntables:\n  notes: {scope: global, columns: {text: {charset: latin1}}}\n';
const sentTexts = async (t: TillPull) =>
  (await t.changes()).map(({ columns }) => columns.find(({ name }) => name === 'text')?.new);

test('of a column with a character set the bytes go up, whatever else they could be read as', async () => {
  const t = await open({ schema: SCHEMA, mapping: CHARSET });
  t.app.exec(`INSERT INTO notes (text) VALUES (${text('436166E9')}), ('Café'), ('plain'), ('')`);
  await t.pull();
  const sent = await sentTexts(t);
  expect(sent).toEqual([Buffer.from('436166E9', 'hex'), Buffer.from('Café'), 'plain', '']);
  const central = sent.map((value) => toCentralText(value ?? null, { type: 'text' }, { charset: 'latin1' }));
  expect(central).toEqual(['Café', 'CafÃ©', 'plain', '']);
});

test('in a file that keeps its texts as UTF-16 the texts themselves go up', async () => {
  const schema = `PRAGMA encoding = 'UTF-16be'; ${SCHEMA}`;
  const t = await open({ schema, mapping: CHARSET, journalMode: 'delete' });
  expect(t.app.pragma('encoding', { simple: true })).toBe('UTF-16be');
  t.app.exec(`INSERT INTO notes (text) VALUES ('Café'), ('日本')`);
  await t.pull();
  const sent = await sentTexts(t);
  const central = sent.map((value) => toCentralText(value ?? null, { type: 'text' }, { charset: 'latin1' }));
  expect(central).toEqual(['Café', '日本']);
});
