/** What is typed behind --set and --since, and where a list goes on. */
import { describe, expect, it } from 'vitest';
import { filterOf, listPath, parseMend } from '../../../services/cli/asked.ts';

describe('--set', () => {
  it.each([
    ['orders.status=done', { table: 'orders', column: 'status', value: 'done' }],
    ['order_items.quantity@6=1', { table: 'order_items', column: 'quantity', value: '1', seq: 6 }],
    ['sales.orders.note=a=b.c@7', { table: 'sales.orders', column: 'note', value: 'a=b.c@7' }],
    ['orders.note=NULL', { table: 'orders', column: 'note', value: null }],
    ['orders.note=', { table: 'orders', column: 'note', value: '' }],
    ['orders.note=two\nlines', { table: 'orders', column: 'note', value: 'two\nlines' }],
  ])('reads %j', (text, expected) => {
    expect(parseMend(text)).toEqual(expected);
  });

  it.each(['', 'orders', 'orders.status', '.status=x', 'orders.=x', '=x'])('refuses %j', (text) => {
    expect(() => parseMend(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('filters', () => {
  it('say a moment in UTC, and go into the address escaped', () => {
    expect(filterOf({ since: '2026-03-01T09:30:00+02:00' })).toEqual({ since: '2026-03-01T07:30:00.000Z' });
    expect(listPath('/held', { limit: '5', cursor: 'a=', terminal: 'till 7' })).toBe(
      '/held?limit=5&terminalId=till+7&cursor=a%3D',
    );
  });
});
