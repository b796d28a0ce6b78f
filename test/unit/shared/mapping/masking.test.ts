import { describe, expect, it } from 'vitest';
import { Masking, MASKED } from '../../../../services/shared/mapping/masking.ts';
import { toCentralText } from '../../../../services/shared/values/values.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';

const masking = new Masking(
  parseMapping(`
version: 1
tables:
  users: {central: staff.people, scope: global, rename: {pin: pin_hash}, sensitive: [pin, note]}
  products: {scope: global}
`),
);

const change = (columns: [name: string, old: unknown, now: unknown][], table = 'users') => ({
  table,
  columns: columns.map(([name, old, now]) => ({ name, old, new: now })),
});

/** The refusal of a text in a column of numbers. */
function catchUnfit(value: string): Error {
  try {
    toCentralText(value, { type: 'integer' }, {});
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it fits');
}

describe('masking', () => {
  it('hides sensitive columns of a central row under their central names, and leaves the rest', () => {
    const row = { id: '1', name: 'Ada', pin_hash: 'x1', note: null };
    expect(masking.centralRow('staff.people', row)).toEqual({
      id: '1',
      name: 'Ada',
      pin_hash: MASKED,
      note: null,
    });
    expect(masking.centralRow('products', row)).toEqual(row);
    expect(masking.centralRow('staff.people', null)).toBeNull();
  });

  it('hides everything of a table that the mapping does not know, and everything without a mapping', () => {
    expect(masking.centralRow('old_staff', { name: 'Ada', gone: null })).toEqual({
      name: MASKED,
      gone: null,
    });
    expect(new Masking(null).change(change([['name', 'a', 'b']], 'products'))).toEqual(
      change([['name', MASKED, MASKED]], 'products'),
    );
  });

  it('hides both sides of a change under their local names, whatever the storage class', () => {
    const shown = masking.change(
      change([
        ['pin', { i: '4711' }, { b: 'ff00' }],
        ['name', 'Ada', 'Eve'],
        ['note', null, 'n'],
      ]),
    );
    expect(shown).toEqual(
      change([
        ['pin', MASKED, MASKED],
        ['name', 'Ada', 'Eve'],
        ['note', null, MASKED],
      ]),
    );
  });

  it('takes them out as our own messages show them, with their quotes doubled', () => {
    const value = 'my "secret" word';
    const { message } = catchUnfit(value);
    expect(message).toContain('secret');
    expect(masking.text(message, [change([['pin', null, value]])])).not.toContain('secret');
    expect(masking.textWithoutRows(message, [change([['name', null, value]])], [])).not.toContain('secret');
  });

  it('takes masked values out of a text, short ones only where they stand alone', () => {
    const changes = [
      change([
        ['pin', { i: '47' }, 'secret.pin(1)'],
        ['name', null, 'Ada'],
      ]),
    ];
    expect(masking.text('Ada: 47 or 1470, "secret.pin(1)"', changes)).toBe(
      `Ada: ${MASKED} or 1470, "${MASKED}"`,
    );
  });

  it('takes every value out of the text for those who see no rows, and keeps names', () => {
    const changes = [
      change([
        ['name', null, 'Ada'],
        ['pin', null, 'zz99'],
      ]),
    ];
    const text = 'Ada violates "people_name_key" of "staff.people": "unheard of" is not "name"';
    expect(masking.textWithoutRows(text, changes, ['people_name_key'])).toBe(
      `${MASKED} violates "people_name_key" of "staff.people": "${MASKED}" is not "name"`,
    );
  });
});

describe('sensitive: in the mapping', () => {
  const problems = (sensitive: string, more = '') => {
    try {
      parseMapping(
        `version: 1\ntables:\n  users:\n    scope: {store: store_id}\n    ${more}\n    sensitive: ${sensitive}\n`,
      );
      return 'fits';
    } catch (error) {
      return (error as Error).message;
    }
  };

  it('is a list of local columns, each mistake told with its line', () => {
    expect(problems('[pin]')).toBe('fits');
    expect(problems('pin')).toMatch(/^line 6: /);
    expect(problems('[]')).toMatch(/^line 6: /);
    expect(problems('[store_id]')).toMatch(/^line 6: users\.store_id names rows or their store/);
    expect(problems('[server_id]')).toMatch(/^line 6: users\.server_id is kept by payflow-sync itself/);
    expect(problems('[pin]', 'exclude: [pin]')).toMatch(/^line 6: users\.pin is excluded/);
  });
});
