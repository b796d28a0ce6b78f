/**
 * What became of a table since it was seeded, and what that leads to. Pure: the one place that decides it.
 *
 *   difference    | seen by                                             | leads to
 *   --------------+-----------------------------------------------------+------------------------------------------
 *   missing       | no such table (dropped, renamed, or a view now)     | TABLE_MISSING
 *   heirs         | tables inherit from it: rows without WAL of its own | TABLE_INHERITED
 *   unlogged      | it, or a partition, is not in the WAL               | TABLE_NOT_LOGGED
 *   secured       | row level security filters what our login reads     | TABLE_ROW_SECURITY
 *   unreadable    | our login may not SELECT                            | TABLE_NOT_READABLE
 *   virtual       | a virtual column where whole old rows are needed    | TABLE_VIRTUAL_COLUMN
 *   keyless       | no primary key                                      | TABLE_NO_KEY
 *   unpublished   | no membership, or a filter or column list           | mend, else TABLE_NOT_PUBLISHED; seed
 *   options       | the publication's could not be mended before this   | TABLE_NOT_PUBLISHED
 *   identity      | what the WAL needs of old rows is not logged        | mend, else TABLE_IDENTITY; seed
 *   of a leaf, which others lock just now               (told: as above) | nothing; it is mended later
 *   returned      | a state from above ended                            | seed
 *   replaced      | another oid                                         | seed
 *   republished   | another membership, or the publication was altered  | seed
 *   columns       | attnum, name, type of what is sent, or the key      | seed
 *   rewritten     | another file, and a sent column's row changed       | seed
 *   relabelled    | an enum's label is another one                      | seed
 *   told          | the WAL described it otherwise, or lacked old rows  | seed
 *   partition new | a leaf that was not there, or was attached anew     | mend its identity; its rows are read
 *   partition gone, or in another file (TRUNCATE; rewritten: above)     | rows that are no more are swept
 *   another file alone (VACUUM FULL, CLUSTER, a repack), a new label, a longer varchar, a column that is not sent,
 *   a leaf's identity (mended)                                           | nothing
 *
 * A table with a state is not seeded until that ends. A table whose rows give others their store is never seeded
 * alone: those that find their store through it follow.
 */
import type { ErrorCode } from '../../shared/error-codes.ts';
import { withoutLength } from '../setup/sent-tables.ts';
import type {
  ColumnFacts,
  PartitionFacts,
  PublicationFacts,
  SeededPartition,
  TableFacts,
  TableShape,
} from './table-shape.ts';

export type StateCode = Extract<
  ErrorCode,
  | 'TABLE_MISSING'
  | 'TABLE_INHERITED'
  | 'TABLE_NOT_LOGGED'
  | 'TABLE_ROW_SECURITY'
  | 'TABLE_NOT_READABLE'
  | 'TABLE_VIRTUAL_COLUMN'
  | 'TABLE_NO_KEY'
  | 'TABLE_NOT_PUBLISHED'
  | 'TABLE_IDENTITY'
>;

/** What a person must know of a table, until it is mended. */
export interface TableState {
  readonly code: StateCode;
  readonly message: string;
}

export type Mend =
  | { readonly kind: 'publish'; readonly rejoin: boolean }
  | {
      readonly kind: 'identity';
      readonly schema: string;
      readonly table: string;
      readonly to: 'FULL' | 'DEFAULT';
    };

export type Reason =
  'returned' | 'replaced' | 'republished' | 'mended' | 'columns' | 'rewritten' | 'relabelled' | 'told';

/** What the mapping wants of a table. */
export interface TableRules {
  readonly name: string;
  /** Of these columns a change matters. */
  readonly isSent: (column: string) => boolean;
  readonly needsFull: (table: Pick<TableFacts, 'hasToastable' | 'key'>) => boolean;
}

export interface Compared {
  /** Ours to mend first; then the table is looked at again. */
  readonly mends: readonly Mend[];
  /** As it is, or as it would be if the mends can't be done. */
  readonly state: TableState | null;
  /** Why the table has to be seeded again. */
  readonly reasons: readonly Reason[];
  /** Partitions whose rows are not in the streams yet. */
  readonly read: readonly PartitionFacts[];
  /** Rows went of which the WAL says nothing. */
  readonly sweep: boolean;
}

export interface Comparison {
  readonly rules: TableRules;
  readonly publication: PublicationFacts;
  /** Why its options could not be mended. */
  readonly refusal: string | null;
  readonly now: TableFacts | null;
  /** Leaves; undefined: not looked at, or none. */
  readonly partitions: readonly PartitionFacts[] | undefined;
  /** null: never seeded. */
  readonly seeded: TableShape | null;
  readonly seededPartitions: ReadonlyMap<number, SeededPartition>;
  readonly hadState: boolean;
  /** The WAL told of a difference. */
  readonly isTold: boolean;
  /** It was mended just now: what came before may be lost. */
  readonly isMended: boolean;
  /** It could not be mended just now: others lock it, or a leaf of it. */
  readonly isLocked: boolean;
}

const NOTHING = { mends: [], reasons: [], read: [], sweep: false } as const;

export function compareTable(comparison: Comparison): Compared {
  const { rules, now } = comparison;
  if (now === null) {
    return { ...NOTHING, state: state('TABLE_MISSING', `there is no table ${rules.name}`) };
  }
  const unmendable = unmendableState(comparison, now);
  if (unmendable !== null) return { ...NOTHING, state: unmendable };
  const { mends, otherwise } = mendsOf(comparison, now);
  const reasons = seedReasons(comparison, now);
  if (otherwise !== null) return { ...NOTHING, mends, state: otherwise };
  const isRewritten = reasons.length > 0;
  return { mends, state: null, reasons, ...(isRewritten ? { read: [], sweep: false } : leaves(comparison)) };
}

/** The identity under which the WAL holds what is needed of this table's old rows; null: it has one. */
export function wantedIdentity(table: TableFacts, rules: TableRules): 'FULL' | 'DEFAULT' | null {
  const { identity, key, identityKey, isKeyDeferrable } = table;
  if (identity === 'full') return null;
  if (rules.needsFull(table)) return 'FULL';
  const namesKey = key.length > 0 && key.every((column) => identityKey.includes(column));
  if (identity === 'index' && namesKey) return null;
  if (isKeyDeferrable) return 'FULL';
  return identity === 'default' ? null : 'DEFAULT';
}

function unmendableState({ rules, partitions }: Comparison, now: TableFacts): TableState | null {
  const { name } = now;
  if (now.heirs.length > 0) {
    return state('TABLE_INHERITED', `tables inherit from ${name}: ${now.heirs.join(', ')}`);
  }
  const unlogged = partitions?.find((partition) => !partition.isLogged);
  if (!now.isLogged) return state('TABLE_NOT_LOGGED', `${name} is unlogged`);
  if (unlogged !== undefined) {
    return state('TABLE_NOT_LOGGED', `partition ${unlogged.table} of ${name} is unlogged or foreign`);
  }
  if (!now.isReadable) return state('TABLE_NOT_READABLE', `our login may not SELECT from ${name}`);
  if (now.isRowSecured) {
    return state('TABLE_ROW_SECURITY', `row level security hides rows of ${name} from our login`);
  }
  if (now.key.length === 0) return state('TABLE_NO_KEY', `no primary key: ${name}`);
  if (now.virtual.length > 0 && rules.needsFull(now)) {
    return state('TABLE_VIRTUAL_COLUMN', `${name} has virtual generated columns`);
  }
  return null;
}

function mendsOf(
  { rules, publication, refusal, partitions = [], isLocked, isTold, hadState }: Comparison,
  now: TableFacts,
): { mends: Mend[]; otherwise: TableState | null } {
  const mends: Mend[] = [];
  let otherwise: TableState | null = null;
  const isOut = now.membership?.isWhole !== true;
  if (isOut) {
    mends.push({ kind: 'publish', rejoin: now.membership !== null });
    otherwise = state('TABLE_NOT_PUBLISHED', `the publication does not publish ${now.name} whole`);
  } else if (!publication.isComplete) {
    const why = refusal === null ? '' : ` (${refusal})`;
    otherwise = state('TABLE_NOT_PUBLISHED', `the publication does not publish every change${why}`);
  }
  // What the WAL lacks of a leaf's old rows until then is told: of none yet.
  const areLeavesLeft = isLocked && !isTold && !hadState;
  const identities = [now, ...(areLeavesLeft ? [] : partitions)].flatMap((part): Mend[] => {
    if (part === now && now.isPartitioned) return [];
    const to = wantedIdentity({ ...now, identity: part.identity }, rules);
    return to === null ? [] : [{ kind: 'identity', schema: part.schema, table: part.table, to }];
  });
  const [first] = identities;
  if (first?.kind === 'identity') {
    otherwise ??= state('TABLE_IDENTITY', `the replica identity of ${first.table} is not ${first.to}`);
  }
  return { mends: [...identities, ...mends], otherwise };
}

function seedReasons(comparison: Comparison, now: TableFacts): Reason[] {
  const { seeded, publication, rules, hadState, isTold, isMended } = comparison;
  if (seeded === null) return hadState || isMended ? ['returned'] : [];
  const reasons: Reason[] = [];
  if (hadState) reasons.push('returned');
  if (now.oid !== seeded.oid) reasons.push('replaced');
  const isRepublished =
    now.membership?.oid !== seeded.membership ||
    `${publication.oid}:${publication.mark}` !== seeded.publication;
  if (isRepublished) reasons.push('republished');
  if (isMended) reasons.push('mended');
  const sent = (columns: readonly ColumnFacts[]) =>
    JSON.stringify(
      columns
        .filter(({ name }) => rules.isSent(name))
        .map(({ place, name, type }) => [place, name, withoutLength(type)]),
    );
  if (sent(now.columns) !== sent(seeded.columns) || now.key.join() !== seeded.key.join()) {
    reasons.push('columns');
  }
  if (isRewritten(comparison, now, seeded)) reasons.push('rewritten');
  if (Object.entries(seeded.labels).some(([oid, label]) => (now.labels[oid] ?? label) !== label)) {
    reasons.push('relabelled');
  }
  if (isTold) reasons.push('told');
  return reasons;
}

/** ALTER COLUMN … USING makes a new file and changes the column's row, in one transaction. */
function isRewritten(
  { rules, partitions = [], seededPartitions }: Comparison,
  now: TableFacts,
  seeded: TableShape,
): boolean {
  const marks = new Map(seeded.columns.map(({ place, mark }) => [place, mark]));
  const isTouched = now.columns.some(
    ({ place, name, mark }) => rules.isSent(name) && (marks.get(place) ?? mark) !== mark,
  );
  if (!isTouched) return false;
  const isMoved = (leaf: PartitionFacts) => (seededPartitions.get(leaf.oid)?.file ?? leaf.file) !== leaf.file;
  return now.isPartitioned ? partitions.some(isMoved) : now.file !== seeded.file;
}

function leaves({ partitions, seededPartitions, seeded }: Comparison): Pick<Compared, 'read' | 'sweep'> {
  if (partitions === undefined || seeded === null) return { read: [], sweep: false };
  const here = new Map(partitions.map((leaf) => [leaf.oid, leaf]));
  const read = partitions.filter((leaf) => seededPartitions.get(leaf.oid)?.path !== leaf.path);
  const sweep = [...seededPartitions].some(([oid, { path, file }]) => {
    const leaf = here.get(oid);
    return leaf?.path !== path || leaf.file !== file;
  });
  return { read, sweep };
}

function state(code: StateCode, message: string): TableState {
  return { code, message };
}
