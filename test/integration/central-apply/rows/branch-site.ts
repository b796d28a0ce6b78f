/** Two stores' books, and what a till of one of them may do to those of the other. */
import { expect } from 'vitest';
import { useCentre } from '../../../support/apply-site.ts';
import type { ChangeSpec, FakeTill, Values } from '../../../support/centre.ts';
import { BRANCH_MAPPING, BRANCH_SCHEMA, branchRows } from './branch-books.ts';

/** A row as one names it that has only guessed its number. */
export const guessed = (id: string) => ({ identity: '', centralId: id });
export const change = (
  table: string,
  row: ChangeSpec['row'],
  values: Values,
  references = {},
): ChangeSpec => ({
  op: 'u',
  table,
  row,
  new: values,
  references,
});
export const remove = (table: string, row: ChangeSpec['row']): ChangeSpec => ({ op: 'd', table, row });

export function useBranches() {
  const centre = useCentre(BRANCH_SCHEMA, BRANCH_MAPPING);
  const here = () => centre.newTill({ storeId: 'S1' });
  const there = () => centre.newTill({ storeId: 'S2' });

  async function id(sql: string): Promise<string> {
    return (await centre.one<{ id: string }>(`${sql} RETURNING id::text`)).id;
  }

  /** An account of S2 with a folder, a page and a line in it. */
  async function foreignBooks() {
    const account = await id(`INSERT INTO accounts (branch, title) VALUES ('S2', 'theirs')`);
    const folder = await id(`INSERT INTO folders (account_id, name) VALUES (${account}, 'theirs')`);
    const page = await id(`INSERT INTO pages (folder_id, body) VALUES ('${folder}', 'theirs')`);
    await centre.pool.query(`INSERT INTO lines VALUES ($1, 1, 'theirs')`, [page]);
    return { account, folder, page, line: `["${page}","1"]` };
  }

  /** Sends one unit of S1's till, after which S2's rows must be as they were. */
  async function attack(till: FakeTill, ...changes: ChangeSpec[]) {
    const theirs = async () => (await branchRows(centre)).filter(({ branch }) => branch !== 'S1');
    const before = await theirs();
    const results = await centre.sendForResults(till, ...changes);
    expect(await theirs()).toEqual(before);
    const codes = await centre.all<{ code: string }>(
      'SELECT code FROM payflow_sync.dead_letter WHERE terminal_id = $1 ORDER BY dead_letter_id',
      [till.terminal],
    );
    return { outcomes: results.map(({ outcome }) => outcome), results, codes: codes.map(({ code }) => code) };
  }

  return { centre, here, there, id, foreignBooks, attack };
}
