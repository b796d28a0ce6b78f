/** Images that wait in the till's file, some of them since an earlier version of the agent. */
import { describe, expect, it } from 'vitest';
import { bindLocal, type BoundTable } from '../../../../services/shared/catalog/table-binding.ts';
import { readLocalCatalog } from '../../../../services/shared/catalog/local-catalog.ts';
import { openDatabase } from '../../../../services/shared/database/sqlite.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import {
  columnSet,
  completedImage,
  decodeImage,
  encodeImage,
  type Image,
} from '../../../../services/terminal-agent/rows/image.ts';

function dishes(columns = '{menu: {charset: latin1}, note: {empty: null}}'): BoundTable {
  const db = openDatabase(':memory:', { mustExist: false });
  try {
    db.exec(`CREATE TABLE kinds (code TEXT PRIMARY KEY);
      CREATE TABLE dishes (code TEXT PRIMARY KEY, menu TEXT, price REAL, kind TEXT, note TEXT NOT NULL, photo BLOB)`);
    const mapping = parseMapping(`version: 1
tables:
  kinds: {scope: global}
  dishes: {scope: global, references: {kind: kinds}, columns: ${columns}}
`);
    const table = bindLocal(mapping, readLocalCatalog(db)).tables.get('dishes');
    if (table === undefined) throw new Error('not bound');
    return table;
  } finally {
    db.close();
  }
}

const EARLIER = '{"code":"ta","menu":"tCafé","price":"r2.5","kind":"t7","note":null,"photo":"b00e9"}';
const valuesOf = (image: Image | null) =>
  Object.fromEntries(image?.set.columns.map(({ local }, at) => [local, image.values[at]]) ?? []);

/** A newer record, in which the centre left out what is large. */
function newer(table: BoundTable): Image {
  const columns = table.columns.filter(({ local }) => local === 'code' || local === 'price');
  return {
    set: columnSet(columns),
    values: ['a', 3],
    central: { types: ['text', 'numeric(12,2)'], values: ['a', '3.00'] },
    omitted: table.columns.flatMap(({ local }) =>
      columns.some((each) => each.local === local) ? [] : [local],
    ),
  };
}

describe('an image of an earlier version', () => {
  it('is written in the character set and with the word for nothing of its columns', () => {
    expect(valuesOf(decodeImage(dishes(), EARLIER))).toEqual({
      code: 'a',
      menu: Buffer.from('Café', 'latin1'),
      price: 2.5,
      kind: '7',
      note: '',
      photo: Buffer.from('00e9', 'hex'),
    });
    expect(valuesOf(decodeImage(dishes('{}'), EARLIER))).toMatchObject({ menu: 'Café', note: null });
  });

  it('waits where its column has no letter for it', () => {
    const image = decodeImage(dishes(), EARLIER.replace('Café', '日本'));
    expect(image?.unfit).toMatch(/^menu: .*letters that latin1 lacks/);
  });

  it('says the same when it is kept once more', () => {
    const table = dishes();
    const once = decodeImage(table, EARLIER);
    expect(valuesOf(decodeImage(table, encodeImage(once)))).toEqual(valuesOf(once));
  });

  it('completes a newer one, of which it stays known what the centre said', () => {
    const table = dishes();
    const before = decodeImage(table, EARLIER);
    if (before === null) throw new Error('no image');
    const kept = decodeImage(table, encodeImage(newer(table)));
    const whole = completedImage(kept ?? newer(table), before);
    const again = decodeImage(table, encodeImage(whole));
    for (const image of [whole, again]) {
      expect(valuesOf(image)).toEqual({ ...valuesOf(before), price: 3 });
      const at = image?.set.columns.findIndex(({ local }) => local === 'price') ?? -1;
      expect(image?.central?.types[at]).toBe('numeric(12,2)');
      expect(image?.central?.values[at]).toBe('3.00');
    }
  });
});
