/** Identities for rows that were there before the agent and are named by somebody else's change. */
import { quoteText } from '../till/local-schema.ts';
import type { Unnamed } from './references.ts';
import type { TillDatabase } from '../till/till-database.ts';

export function mintIdentities(till: TillDatabase, rows: readonly Unnamed[]): void {
  till.write(() => {
    for (const { table, rowKey } of rows) {
      till.db
        .prepare(
          `INSERT INTO sync_identity (table_name, row_key, identity) SELECT ${quoteText(table)}, @rowKey, lower(hex(randomblob(16)))
           WHERE NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = ${quoteText(table)} AND row_key = @rowKey)`,
        )
        .run({ rowKey });
    }
  });
}
