/** Changes of one unit that PostgreSQL takes in the order in which the till made them, and in no other. */
import { expect, test } from 'vitest';
import { useCentre } from '../../support/apply-site.ts';
import { insert, type ChangeSpec } from '../../support/centre.ts';

const SCHEMA = `
CREATE TABLE shelves (id bigserial PRIMARY KEY, label text NOT NULL UNIQUE, height integer NOT NULL DEFAULT 7,
  above bigint REFERENCES shelves);
CREATE TABLE sales (id bigserial PRIMARY KEY, number text NOT NULL);
CREATE TABLE sale_lines (id bigserial PRIMARY KEY, sale_id bigint NOT NULL REFERENCES sales);`;
const MAPPING = `
version: 1
tables:
  shelves: {scope: global, references: {above: shelves}}
  sales: {scope: global}
  sale_lines: {scope: global, references: {sale_id: sales}}
`;

const centre = useCentre(SCHEMA, MAPPING);

async function sender() {
  const till = await centre.newTill();
  return (...changes: ChangeSpec[]) => centre.sendForCounts(till, ...changes);
}
const shelf = (row: string, label: string, height: bigint | null = null, above: string | null = null) =>
  insert('shelves', row, { label, height }, { above });

const labels = () => centre.all(`SELECT label FROM shelves ORDER BY id`);

test('a label that one row gives up is another row’s in the same unit', async () => {
  const send = await sender();
  await send(shelf('a1', 'left'));
  const sent = await send(
    { op: 'u', table: 'shelves', row: 'a1', old: { label: 'left' }, new: { label: 'right' } },
    shelf('a2', 'left'),
    shelf('a3', 'far away'),
  );
  expect(sent).toEqual({ applied: 3 });
  expect(await labels()).toEqual([{ label: 'right' }, { label: 'left' }, { label: 'far away' }]);
});

test('rows of a tree, of which some leave a column to the centre, beside another tree', async () => {
  const send = await sender();
  const sent = await send(shelf('b1', 'other'), shelf('b2', 'top', 3n), shelf('b3', 'bottom', null, 'b2'));
  expect(sent).toEqual({ applied: 3 });
});

test('both: that order, and a sale whose lines were written before it, and leaves before their tree', async () => {
  const send = await sender();
  await send(shelf('c1', 'door'));
  const sent = await send(
    insert('sale_lines', 'l', {}, { sale_id: 's' }),
    insert('sales', 's', { number: '1' }),
    { op: 'u', table: 'shelves', row: 'c1', old: { label: 'door' }, new: { label: 'wall' } },
    shelf('c2', 'leaf', null, 'c3'),
    shelf('c3', 'door'),
  );
  expect(sent).toEqual({ applied: 5 });
});
