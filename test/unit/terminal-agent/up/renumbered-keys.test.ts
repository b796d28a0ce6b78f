/** Lines of an order that are numbered again before the order is complete are lines that were made once. */
import { expect, it } from 'vitest';
import { useTillPull } from '../../../support/till-pull.ts';

const open = useTillPull();

const TABLE = `CREATE TABLE lines (order_no TEXT, line INTEGER, qty INTEGER, PRIMARY KEY (order_no, line))`;
const MAPPING = `version: 1\ntables:\n  lines: {scope: global}\n`;

it.each([
  ['by a gap', 'UPDATE lines SET line = line + 10', ['A 11 5', 'A 12 6']],
  ['to and fro', 'UPDATE lines SET line = -line; UPDATE lines SET line = 3 + line', ['A 2 5', 'A 1 6']],
  ['and moved to another order', `UPDATE lines SET order_no = 'B', line = line + 1`, ['B 2 5', 'B 3 6']],
  [
    'and one of them made again',
    `UPDATE lines SET line = 9 WHERE line = 1; DELETE FROM lines WHERE line = 9; INSERT INTO lines VALUES ('A', 1, 7)`,
    ['A 2 6', 'A 1 7'],
  ],
])('numbered anew %s', async (_how, sql, expected) => {
  for (const without of ['', ' WITHOUT ROWID']) {
    const t = await open({ schema: TABLE + without, mapping: MAPPING });
    t.app.exec(`BEGIN; INSERT INTO lines VALUES ('A', 1, 5), ('A', 2, 6); ${sql}; COMMIT`);
    await t.pull();
    const changes = await t.changes();
    const lines = changes.map(({ op, columns }) => `${op} ${columns.map((column) => column.new).join(' ')}`);
    expect(lines).toEqual(expected.map((line) => `c ${line}`));
    await t.close();
  }
});
