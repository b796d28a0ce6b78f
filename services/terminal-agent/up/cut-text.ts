/** A cut as the agent file keeps it. */
import type { Cut, Edit, Update, Values } from './row-state.ts';

type Pairs = [string, string | null][];
type Edits = [column: string, after: string | null, before?: string | null, fills?: 1][];
interface UpdateText {
  readonly edits: Edits;
  readonly sums: [string, string][];
}
type CutText =
  | { readonly op: 'c'; readonly values: Pairs; readonly latest?: UpdateText }
  | ({ readonly op: 'u' } & UpdateText)
  | { readonly op: 'd'; readonly sums: [string, string][] };

export function cutToText(cut: Cut): string {
  return JSON.stringify(toText(cut));
}

export function cutFromText(text: string): Cut {
  const cut = JSON.parse(text) as CutText;
  switch (cut.op) {
    case 'c': {
      const latest = cut.latest === undefined ? undefined : updateOf(cut.latest);
      return { op: 'c', values: new Map(cut.values), latest };
    }
    case 'u':
      return { op: 'u', ...updateOf(cut) };
    case 'd':
      return { op: 'd', sums: new Map(cut.sums) };
  }
}

function toText(cut: Cut): CutText {
  switch (cut.op) {
    case 'c':
      return cut.latest === undefined
        ? { op: 'c', values: pairs(cut.values) }
        : { op: 'c', values: pairs(cut.values), latest: updateText(cut.latest) };
    case 'u':
      return { op: 'u', ...updateText(cut) };
    case 'd':
      return { op: 'd', sums: [...cut.sums] };
  }
}

function pairs(values: Values): Pairs {
  return [...values];
}

/** What was before can be unknown, and then it is not there. */
function updateText({ edits, sums }: Update): UpdateText {
  const texts = [...edits].map(([column, { before, after, fills }]): Edits[number] => {
    if (fills === true) return [column, after, before ?? null, 1];
    return before === undefined ? [column, after] : [column, after, before];
  });
  return { edits: texts, sums: [...sums] };
}

function updateOf({ edits, sums }: UpdateText): Update {
  const read = edits.map(([column, after, before, fills]): [string, Edit] => [
    column,
    fills === 1 ? { before, after, fills: true } : { before, after },
  ]);
  return { edits: new Map(read), sums: new Map(sums) };
}
