/** Central keys that a till brings with its rows, of every kind that PostgreSQL prints in a form of its own. */
import { beforeAll, describe, expect, test } from 'vitest';
import { useCentre } from '../../../support/apply-site.ts';
import { insert, type ChangeSpec, type FakeTill } from '../../../support/centre.ts';

const SCHEMA = `
CREATE TABLE shelves (aisle char(5), locked boolean, no smallint, since timestamptz(3), width numeric(6,2), note text,
  PRIMARY KEY (aisle, locked, no, since, width));
`;
const MAPPING = `
version: 1
tables:
  shelves: { scope: global, columns: { since: { format: epoch_ms }, width: { minor_units: 2 } } }
`;

const centre = useCentre(SCHEMA, MAPPING);

describe('a key that the till carries', () => {
  let till: FakeTill;
  beforeAll(async () => {
    till = await centre.newTill();
  });

  const send = (...changes: ChangeSpec[]) => centre.sendForCounts(till, ...changes);
  const key = { aisle: 'AB ', locked: 1n, no: 7n, since: 1_767_225_600_500n, width: 1250n };
  const shelves = () =>
    centre.all(`SELECT rtrim(aisle) AS aisle, locked, no, width, note FROM shelves ORDER BY no`);

  test('names the row whatever its types are', async () => {
    expect(await send(insert('shelves', 's', { ...key, note: 'new' }))).toEqual({ applied: 1 });
    expect(
      await send({ op: 'u', table: 'shelves', row: 's', old: { note: 'new' }, new: { note: 'edited' } }),
    ).toEqual({ applied: 1 });
    expect(await shelves()).toEqual([{ aisle: 'AB', locked: true, no: 7, width: '12.50', note: 'edited' }]);
  });

  test('may be named again in an update, unchanged', async () => {
    const change = { op: 'u', table: 'shelves', row: 's', old: key, new: { ...key, note: 'again' } } as const;
    expect(await send(change)).toEqual({ applied: 1 });
  });

  test('stays what it is: another is refused, and the reason said', async () => {
    const change = { op: 'u', table: 'shelves', row: 's', old: { no: 7n }, new: { no: 8n } } as const;
    expect(await send(change)).toEqual({ rejected: 1 });
    expect(await centre.one('SELECT code, message FROM payflow_sync.dead_letter')).toEqual({
      code: 'CHANGE_NOT_ALLOWED',
      message:
        'no is part of the key of shelves: a till may delete the row and insert it anew, not rename it',
    });
    expect(await shelves()).toMatchObject([{ no: 7 }]);
  });
});
