/** What a till may learn of the centre by what it answers to `verify`: nothing that is not its own. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Operations } from '../../../../services/central-apply/operations/operations.ts';
import type { OperationKind } from '../../../../services/shared/operations.ts';
import type { DigestResult, LookResult } from '../../../../services/shared/verify/questions.ts';
import { useCentre } from '../../../support/apply-site.ts';
import { Asking } from '../../../support/asking.ts';
import { silentLog } from '../../../support/centre.ts';

const MAPPING = `
version: 1
tables:
  clerks:
    scope: { store: store_id }
    set: { store_id: $store }
  goods:
    scope: global
    exclude: [cost]`;
const SCHEMA = `
CREATE TABLE clerks (id bigint PRIMARY KEY, name text, pin text, store_id text);
CREATE TABLE goods (id bigint PRIMARY KEY, name text, cost numeric, deleted_at timestamptz);
INSERT INTO clerks VALUES (1, 'Ada', 'pin of Ada', 'north'), (2, 'Bob', 'pin of Bob', 'south'), (3, 'Cleo', 'pin of Cleo', NULL);
INSERT INTO goods VALUES (1, 'tea', 0.5, NULL), (2, 'gone', 0.7, now());`;

const centre = useCentre(SCHEMA, MAPPING);
let asking: Asking;
beforeEach(() => {
  asking = new Asking(centre);
});

async function ask<Result>(kind: OperationKind, args: object): Promise<Result> {
  const id = await asking.put(kind, { terminalId: 'T1', storeId: 'north', isUnmarked: false, ...args });
  const operations = new Operations({
    kinds: 'questions',
    pool: centre.pool,
    listenPool: centre.pool,
    release: () => Promise.resolve(),
    log: silentLog,
  });
  while (await operations.runNext());
  const { state, result } = await asking.answer<Result>(id);
  expect(state).toBe('done');
  return result;
}

describe('of rows that a till names', () => {
  it('only its own store’s are shown; of the others that they are there, and whose they are not', async () => {
    const { rows } = await ask<LookResult>('verify-look', {
      table: 'clerks',
      columns: ['name'],
      ids: ['1', '2', '3', '4'],
      settles: false,
    });
    expect(rows).toEqual([
      { id: '1', isHere: true, values: ['Ada'], place: 'own' },
      { id: '2', isHere: true, values: null, place: 'other' },
      { id: '3', isHere: true, values: null, place: 'none' },
      { id: '4', isHere: false, values: null, place: 'none' },
    ]);
  });

  it('one that bears the mark is not there for a till without a column for it', async () => {
    const args = { table: 'goods', columns: ['name'], ids: ['1', '2'], settles: false };
    const there = async (isUnmarked: boolean) =>
      (await ask<LookResult>('verify-look', { ...args, isUnmarked })).rows.map(({ isHere }) => isHere);
    expect(await there(false)).toEqual([true, true]);
    expect(await there(true)).toEqual([true, false]);
  });
});

it('of columns that a till names only those that the mapping sends it are read', async () => {
  const columns = async (table: string, asked: string[]) =>
    (await ask<DigestResult>('verify-digest', { table, columns: asked, atLeast: 0 })).columns.map(
      ({ name }) => name,
    );
  expect(await columns('goods', ['name', 'cost', 'xmin', 'id'])).toEqual(['name', 'id']);
  expect(await columns('clerks', ['pin', 'name'])).toEqual(['pin', 'name']);
});
