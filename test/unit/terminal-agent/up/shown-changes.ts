/** What tests look at of the changes that a till has cut. */
import type { KeptChange } from '../../../../services/terminal-agent/up/change-store.ts';
import type { TillPull } from '../../../support/till-pull.ts';

/** A look after each statement, as where the agent runs; or one after all of them. */
export function write(t: TillPull, statements: readonly string[], { looks = true } = {}): void {
  for (const sql of statements) {
    t.app.exec(sql);
    if (looks) t.capture.cutAll();
  }
  t.capture.cutAll();
}

export const cut = (t: TillPull): KeptChange[] => t.agentFile.changes.after(0);

/** Of each change its op, what it says of columns, and its amounts. */
export const shown = (t: TillPull): unknown[][] =>
  cut(t).map(({ op, cut: what }) => {
    switch (what.op) {
      case 'c':
        return [op, Object.fromEntries([...what.values].filter(([, value]) => value !== null))];
      case 'u': {
        const edits = [...what.edits].map(
          ([column, { before, after }]) => [column, [before, after]] as const,
        );
        return [op, Object.fromEntries(edits), Object.fromEntries(what.sums)];
      }
      case 'd':
        return [op, {}];
    }
  });
