import { expect, it } from 'vitest';
import { heldBack } from '../../../../services/central-capture/seeding/held-back.ts';

const LINK = 'payflow_sync.link';
const PROGRESS = 'payflow_sync.progress';
const waits = (table: string) => ({ table, hasBegun: false });
const runs = (table: string) => ({ table, hasBegun: true });

it.each([
  { is: 'nothing is open', open: [], held: [] },
  { is: 'links are there', open: [waits('orders'), waits(PROGRESS)], held: [] },
  {
    is: 'links are wanted',
    open: [waits(LINK), waits(PROGRESS), waits('orders')],
    held: [PROGRESS, 'orders'],
  },
  {
    is: 'links are being read',
    open: [runs(LINK), waits(PROGRESS), waits('orders')],
    held: [PROGRESS, 'orders'],
  },
  // What of it went by is read no more: its changes have to be sent.
  { is: 'a table has begun', open: [waits(LINK), waits(PROGRESS), runs('orders')], held: [PROGRESS] },
  { is: 'nothing else is wanted', open: [waits(LINK)], held: [] },
  { is: 'the mapping is wanted too', open: [waits('payflow_sync.mapping'), waits(LINK)], held: [] },
])('while $is, $held are held back', ({ open, held }) => {
  expect([...heldBack(open)]).toEqual(held);
});
