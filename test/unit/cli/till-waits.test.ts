/** What `status` and `terminals show` say of a till that waits at the centre. */
import { expect, it } from 'vitest';
import { earlierRowsLine, waitLine } from '../../../services/cli/till-waits.ts';

const since = '2026-11-01T08:00:00.000Z';

it('names the code, since when, what PostgreSQL refuses and where, and what to do', () => {
  expect(
    waitLine('till-7', {
      code: 'CENTRE_CAUSE',
      sqlState: '23514',
      table: 'orders',
      constraint: 'orders_total_check',
      since,
      tries: 3,
    }),
  ).toBe(
    `[CENTRE_CAUSE] till-7 waits since ${since}: 23514 at orders (orders_total_check). Mend what the message names; held tills are tried again and go on by themselves.`,
  );
});

it('names the bound that was reached, where it is not PostgreSQL that refuses', () => {
  const line = waitLine('till-7', {
    code: 'REFUSED_TOO_MUCH',
    sqlState: null,
    table: null,
    constraint: null,
    since,
    tries: 1,
  });
  expect(line).toContain(`[REFUSED_TOO_MUCH] till-7 waits since ${since}. See \`payflow dead-letters list`);
});

it('names the tables with rows from before, what waits for them, and the command', () => {
  const rows = [
    { table: 'orders', rows: 160, waits: true },
    { table: 'items', rows: 2, waits: false },
  ];
  expect(earlierRowsLine('till-7', rows)).toBe(
    '162 rows of till-7 from before it was connected have no link to the centre (orders 160, items 2); ' +
      'until then no new row of the centre comes into orders: `payflow bootstrap --terminal till-7`',
  );
  expect(earlierRowsLine('till-7', rows.slice(1))).not.toContain('until then');
  expect(earlierRowsLine('till-7', [])).toBeNull();
});
