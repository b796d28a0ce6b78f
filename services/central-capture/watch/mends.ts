/** What the watch puts right by itself at the centre, where our login owns it. */
import type { Pool, PoolClient } from 'pg';
import { PayflowError } from '../../shared/errors.ts';
import { inTransaction, postgresFacts } from '../../shared/database/postgres.ts';
import { quotedTable, quoteIdent } from '../setup/published-tables.ts';
import { publicationOptions } from '../setup/publication.ts';
import type { Mend } from './differences.ts';
import type { PublicationFacts, TableFacts } from './table-shape.ts';

/** Whoever writes to the table waits behind us for as long: the replica identity takes the strongest lock. */
const LOCK_TIMEOUT_MS = 100;
/** Also when the lock timeout ran out. */
const LOCK_NOT_AVAILABLE = '55P03';
const NOT_OURS: Refusal = { why: 'our login does not own it', isLocked: false };

export interface Refusal {
  readonly why: string;
  /** Others lock it just now. */
  readonly isLocked: boolean;
}

interface PublicationMend {
  readonly pool: Pool;
  readonly publicationName: string;
  readonly publication: PublicationFacts;
}

export interface MendOptions extends PublicationMend {
  readonly table: TableFacts;
}

/** @returns why the first could not be done; null: all are done */
export async function mendAll(mends: readonly Mend[], options: MendOptions): Promise<Refusal | null> {
  for (const mend of mends) {
    const refusal = isAllowed(mend, options) ? await refusalOf(() => carryOut(mend, options)) : NOT_OURS;
    if (refusal !== null) return refusal;
  }
  return null;
}

/** Its options are of all tables. @returns why it could not be done; null: done */
export async function mendPublication(mend: PublicationMend): Promise<Refusal | null> {
  const { pool, publicationName, publication } = mend;
  if (!publication.isOurs) return NOT_OURS;
  const alter = async (client: PoolClient) => {
    const options = await publicationOptions(client);
    await client.query(`ALTER PUBLICATION ${quoteIdent(publicationName)} SET (${options})`);
  };
  return refusalOf(() => inTransaction(pool, alter, { lockTimeoutMs: LOCK_TIMEOUT_MS }));
}

/** Whatever the server says against it is a state of tables; it is tried again at each look. */
async function refusalOf(work: () => Promise<void>): Promise<Refusal | null> {
  try {
    await work();
    return null;
  } catch (error) {
    const facts = postgresFacts(error);
    if (!(error instanceof PayflowError) || facts === null) throw error;
    return { why: error.message, isLocked: facts.sqlState === LOCK_NOT_AVAILABLE };
  }
}

function isAllowed(mend: Mend, { publication, table }: MendOptions): boolean {
  switch (mend.kind) {
    case 'identity':
      return table.isOurs;
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
        case 'publish':
          if (mend.rejoin)
            await client.query(`ALTER PUBLICATION ${publication} DROP TABLE ONLY ${quotedTable(table)}`);
          await client.query(`ALTER PUBLICATION ${publication} ADD TABLE ONLY ${quotedTable(table)}`);
      }
    },
    { lockTimeoutMs: LOCK_TIMEOUT_MS },
  );
}
