/** Looks at tables: reads them whole, compares, mends what is ours, and compares once more. */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { inTransaction } from '../../shared/database/postgres.ts';
import { readPartitions, readTables } from './catalog-facts.ts';
import { compareTable, type Compared, type Comparison, type Mend, type TableRules } from './differences.ts';
import { mendAll, mendPublication } from './mends.ts';
import type { PartitionFacts, PublicationFacts, TableFacts } from './table-shape.ts';
import type { Known } from './watch-store.ts';

export interface LookOptions {
  readonly pool: Pool;
  readonly publicationName: string;
  readonly log: Logger;
}

/** The publication at the beginning of the look, its options mended if they were wrong: they are of all tables. */
export interface PublicationLook {
  readonly publication: PublicationFacts;
  readonly isMended: boolean;
  /** Why its options could not be mended. */
  readonly refusal: string | null;
}

export interface Asked<Rules extends TableRules> {
  readonly rules: Rules;
  readonly known: Known;
  readonly isTold: boolean;
}

export interface Seen<Rules extends TableRules> {
  readonly rules: Rules;
  readonly known: Known;
  readonly now: TableFacts | null;
  readonly partitions: readonly PartitionFacts[] | undefined;
  readonly compared: Compared;
  /** Something of ours could not be mended, and is tried again. */
  readonly isUnmended: boolean;
}

/** Compared is what a mend has made of it: what is kept of a table would else differ at the next look. */
export async function lookAtPublication(
  { pool, publicationName, log }: LookOptions,
  read: () => Promise<PublicationFacts>,
): Promise<PublicationLook> {
  const publication = await read();
  if (publication.isComplete) return { publication, isMended: false, refusal: null };
  const refusal = await mendPublication({ pool, publicationName, publication });
  if (refusal !== null) return { publication, isMended: false, refusal: refusal.why };
  log.warn({ publication: publicationName }, 'its options were mended at the centre');
  return { publication: await read(), isMended: true, refusal: null };
}

export async function lookAt<Rules extends TableRules>(
  options: LookOptions,
  { publication, isMended, refusal }: PublicationLook,
  asked: readonly Asked<Rules>[],
): Promise<Seen<Rules>[]> {
  if (asked.length === 0) return [];
  const names = asked.map(({ rules }) => rules.name);
  const { tables, leaves } = await readMoment(options, names);
  const seen: Seen<Rules>[] = [];
  for (const one of asked) {
    const now = tables.get(one.rules.name) ?? null;
    const comparison: Comparison = {
      rules: one.rules,
      publication,
      refusal,
      now,
      partitions: now === null ? undefined : leaves.get(now.oid),
      seeded: one.known.shape,
      seededPartitions: one.known.partitions,
      hadState: one.known.state !== null,
      isTold: one.isTold,
      isMended,
      isLocked: false,
    };
    seen.push(await settled(options, one, comparison));
  }
  return seen;
}

async function settled<Rules extends TableRules>(
  options: LookOptions,
  { rules, known }: Asked<Rules>,
  comparison: Comparison,
): Promise<Seen<Rules>> {
  const compared = compareTable(comparison);
  const { now, publication, partitions } = comparison;
  const seen = { rules, known, now, partitions, compared, isUnmended: false };
  if (now === null || compared.mends.length === 0) return seen;
  const refusal = await mendAll(compared.mends, { ...options, publication, table: now });
  if (refusal !== null) {
    const refused = compareTable({ ...comparison, isLocked: refusal.isLocked });
    const { state } = refused;
    const said = state === null ? null : { ...state, message: `${state.message} (${refusal.why})` };
    return { ...seen, compared: { ...refused, state: said }, isUnmended: true };
  }
  options.log.warn({ table: rules.name, mends: compared.mends }, 'mended at the centre');
  return again(options, seen, comparison);
}

async function again<Rules extends TableRules>(
  options: LookOptions,
  seen: Seen<Rules>,
  comparison: Comparison,
): Promise<Seen<Rules>> {
  const { name } = seen.rules;
  const { tables, leaves } = await readMoment(options, [name]);
  const now = tables.get(name) ?? null;
  const partitions = now === null ? undefined : leaves.get(now.oid);
  const isMended = comparison.isMended || seen.compared.mends.some((mend) => concernsAll(mend, seen.now));
  const compared = compareTable({ ...comparison, now, partitions, isMended });
  return { ...seen, now, partitions, compared, isUnmended: compared.mends.length > 0 };
}

/** The identity of one new partition says nothing of the others' rows. */
function concernsAll(mend: Mend, table: TableFacts | null): boolean {
  return mend.kind !== 'identity' || (mend.schema === table?.schema && mend.table === table.table);
}

interface Moment {
  readonly tables: ReadonlyMap<string, TableFacts>;
  /** By the root's oid. */
  readonly leaves: ReadonlyMap<number, readonly PartitionFacts[]>;
}

/** In one snapshot: a rewrite shows by columns and files together, and files that came alone are taken for harmless. */
async function readMoment({ pool, publicationName }: LookOptions, names: readonly string[]): Promise<Moment> {
  return inTransaction(pool, async (client) => {
    await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const tables = await readTables(client, names, publicationName);
    const roots = [...tables.values()].filter((table) => table.isPartitioned).map(({ oid }) => oid);
    return { tables, leaves: await readPartitions(client, roots) };
  });
}
