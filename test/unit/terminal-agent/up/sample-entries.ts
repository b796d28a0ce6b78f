/** Entries as the tables of the tests write them: `op key`, `op key<key before`, with `=old>new` of one delta column. */
import type { Entry, EntryOp } from '../../../../services/terminal-agent/up/entries.ts';

export const AMOUNT = 'stock';

/** In seq order from 1; an entry's id is `e` and its seq. */
export function entriesOf(texts: readonly string[]): Entry[] {
  return texts.map((text, index) => {
    const match = /^([becudkr]) ([^<=]+)(?:<([^=]+))?(?:=(\d*)>(\d*))?$/.exec(text);
    if (match === null) throw new Error(`no entry: ${text}`);
    const [, op, key = '', keyBefore = null, old, now] = match;
    const amounts = old === undefined ? [] : [[AMOUNT, { old: amount(old), new: amount(now) }] as const];
    const seq = index + 1;
    return { seq, id: `e${seq}`, op: op as EntryOp, key, keyBefore, atMs: seq, deltas: new Map(amounts) };
  });
}

function amount(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}
