/** Changes of one unit that PostgreSQL takes in the order in which the till made them, and in no other. */
import { expect, test } from 'vitest';
import { useCentre } from '../../support/apply-site.ts';
import { insert, type ChangeSpec } from '../../support/centre.ts';

const SCHEMA = `
CREATE TABLE shelves (id bigserial PRIMARY KEY, label text NOT NULL UNIQUE, height integer NOT NULL DEFAULT 7,
  above bigint REFERENCES shelves);
CREATE TABLE sales (id bigserial PRIMARY KEY, number text NOT NULL);
CREATE TABLE sale_lines (id bigserial PRIMARY KEY, sale_id bigint NOT NULL REFERENCES sales);
CREATE TABLE teams (id bigserial PRIMARY KEY, name text NOT NULL, lead_id bigint);
CREATE TABLE members (id bigserial PRIMARY KEY, name text NOT NULL CHECK (name <> ''),
  team_id bigint NOT NULL REFERENCES teams);
ALTER TABLE teams ADD FOREIGN KEY (lead_id) REFERENCES members;`;
const MAPPING = `
version: 1
tables:
  shelves: {scope: global, references: {above: shelves}}
  sales: {scope: global}
  sale_lines: {scope: global, references: {sale_id: sales}}
  teams: {scope: global, references: {lead_id: members}}
  members: {scope: global, references: {team_id: teams}}
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

/** Two rows that refer to each other: only table by table do they go through. */
const team = (name: string, lead: string): ChangeSpec[] => [
  insert('teams', name, { name }, { lead_id: `${name}-lead` }),
  insert('members', `${name}-lead`, { name: lead }, { team_id: name }),
];

test('parts that need another order each, and one that is refused, which alone becomes a dead letter', async () => {
  const till = await centre.newTill();
  const send = (...changes: ChangeSpec[]) => centre.sendForCounts(till, ...changes);
  await send(shelf('d1', 'cellar'));
  const sent = await send(
    ...team('day', 'Ada'),
    { op: 'u', table: 'shelves', row: 'd1', old: { label: 'cellar' }, new: { label: 'attic' } },
    ...team('night', ''),
    shelf('d2', 'cellar'),
  );
  expect(sent).toEqual({ applied: 4, rejected: 2 });
  expect(
    await centre.all(
      'SELECT first_seq, last_seq, code FROM payflow_sync.dead_letter WHERE terminal_id = $1',
      [till.terminal],
    ),
  ).toEqual([{ first_seq: '5', last_seq: '6', code: '23514' }]);
  expect(
    await centre.all(`SELECT t.name, m.name AS lead FROM teams t JOIN members m ON m.id = t.lead_id`),
  ).toEqual([{ name: 'day', lead: 'Ada' }]);
});

test('a part that only goes through behind a later one is not refused', async () => {
  const send = await sender();
  await send(insert('sales', 'e', { number: '7' }), insert('sale_lines', 'e1', {}, { sale_id: 'e' }));
  const sent = await send(
    { op: 'd', table: 'sales', row: 'e' },
    { op: 'd', table: 'sale_lines', row: 'e1' },
    ...team('nobody', ''),
  );
  expect(sent).toEqual({ applied: 2, rejected: 2 });
});
