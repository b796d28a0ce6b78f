/** What the watch puts right by itself at the centre, where our login owns it. */
import type { Pool } from 'pg';
import { PayflowError } from '../../shared/errors.ts';
import { inTransaction, postgresFacts } from '../../shared/database/postgres.ts';
import { quotedTable, quoteIdent } from '../setup/published-tables.ts';
import { publicationOptions } from '../setup/publication.ts';
import type { Mend } from './differences.ts';
import type { PublicationFacts, TableFacts } from './table-shape.ts';

/** Whoever writes to the table waits behind us for as long: the replica identity takes the strongest lock. */
const LOCK_TIMEOUT_MS = 100;

export interface MendOptions {
  readonly pool: Pool;
  readonly publicationName: string;
  readonly publication: PublicationFacts;
  readonly table: TableFacts;
}

/** @returns why it could not be done; null: done */
export async function mendAll(mends: readonly Mend[], options: MendOptions): Promise<string | null> {
  for (const mend of mends) {
    if (!isAllowed(mend, options)) return 'our login does not own it';
    try {
      await carryOut(mend, options);
    } catch (error) {
      // Whatever the server says against it is a state of the table; it is tried again at each look.
      if (!(error instanceof PayflowError) || postgresFacts(error) === null) throw error;
      return error.message;
    }
  }
  return null;
}

function isAllowed(mend: Mend, { publication, table }: MendOptions): boolean {
  switch (mend.kind) {
    case 'identity':
      return table.isOurs;
    case 'options':
      return publication.isOurs;
    case 'publish':
      return table.isOurs && publication.isOurs;
  }
}

async function carryOut(mend: Mend, { pool, publicationName, table }: MendOptions): Promise<void> {
  const publication = quoteIdent(publicationName);
  await inTransaction(
    pool,
    async (client) => {
      switch (mend.kind) {
        case 'identity':
          await client.query(`ALTER TABLE ${quotedTable(mend)} REPLICA IDENTITY ${mend.to}`);
          return;
        case 'options':
          await client.query(`ALTER PUBLICATION ${publication} SET (${await publicationOptions(client)})`);
          return;
        case 'publish':
          if (mend.rejoin)
            await client.query(`ALTER PUBLICATION ${publication} DROP TABLE ONLY ${quotedTable(table)}`);
          await client.query(`ALTER PUBLICATION ${publication} ADD TABLE ONLY ${quotedTable(table)}`);
      }
    },
    { lockTimeoutMs: LOCK_TIMEOUT_MS },
  );
}
