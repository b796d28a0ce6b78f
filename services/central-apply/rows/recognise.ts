/**
 * Finds out which inserts are rows that the centre has already: under the same natural key, under the key they
 * carry, or among the other inserts of the group. Such an insert becomes a merge, and whatever refers to the
 * key that was made for it refers to the row it turned out to be.
 *
 * One till row per central row: where the terminal already has another row for it, merging would leave two rows
 * on the till that no later change could tell apart, so the insert is rejected. A row that carries its key is
 * its own proof that the earlier one is gone from the till: somebody else deleted it at the centre and made it
 * anew, and all that is left of the earlier one is its link.
 */
import type { CentralId } from '../../shared/records/change-record.ts';
import { centralRow, type Rejections, type ResolvedChange } from './change.ts';
import type { LinkRow } from './evidence.ts';
import { existingIds, identitiesOf, naturalMatches } from './identity.ts';
import type { CentralModel, TableModel } from './model.ts';
import { rejection } from './resolve.ts';
import type { Session, Text } from './sql.ts';

export interface Recognised {
  /** Inserts that stand for a row that is there. */
  readonly met: ReadonlySet<ResolvedChange>;
  /** Links of rows that are gone from their till: another one carries their key now. */
  readonly stale: readonly Omit<LinkRow, 'id'>[];
}

/** Rewrites ids and references of `resolved` in place and adds to `rejections`. */
export async function recognise(
  session: Session,
  model: CentralModel,
  resolved: readonly ResolvedChange[],
  rejections: Rejections,
): Promise<Recognised> {
  const byTable = insertsByTable(resolved);
  const aliases = new Aliases();
  const met = new Set<ResolvedChange>();
  const byOwnKey = new Set<ResolvedChange>();
  // Parents first: a natural key may contain a reference to a row that was recognised before.
  for (const table of model.tables.values()) {
    const inserts = byTable.get(table) ?? [];
    for (const change of inserts) aliases.rewriteReferences(change);
    const madeFor = new Map(inserts.map((change) => [change, change.id]));
    for (const change of await recogniseTable(session, table, inserts, aliases, rejections)) {
      met.add(change);
      if (change.idFrom === 'carried' && change.id === madeFor.get(change)) byOwnKey.add(change);
    }
  }
  if (aliases.size > 0) for (const change of resolved) aliases.rewrite(change);
  const linked = await linkedIdentities(session, [...met]);
  for (const change of met) change.linked ||= (linked.get(change) ?? []).length > 0;
  refuseSecondRows(resolved, linked, byOwnKey, rejections);
  return { met, stale: [...byOwnKey].flatMap((change) => staleLinks(change, linked.get(change) ?? [])) };
}

async function linkedIdentities(
  session: Session,
  met: readonly ResolvedChange[],
): Promise<Map<ResolvedChange, readonly string[]>> {
  if (met.length === 0) return new Map();
  const linked = await identitiesOf(session, met);
  return new Map(met.map((change, index) => [change, linked[index] ?? []]));
}

function staleLinks({ terminal, table, incoming }: ResolvedChange, linked: readonly string[]) {
  return linked
    .filter((identity) => identity !== incoming.change.row.identity)
    .map((identity) => ({ terminal, table, identity }));
}

function insertsByTable(resolved: readonly ResolvedChange[]): Map<TableModel, ResolvedChange[]> {
  const byTable = new Map<TableModel, ResolvedChange[]>();
  for (const change of resolved) {
    if ((change.kind !== 'insert' && change.kind !== 'offer') || change.idFrom === 'link') continue;
    const { table } = change;
    if (table.naturalKey.length === 0 && change.idFrom === 'allocated') continue;
    const inserts = byTable.get(table);
    if (inserts === undefined) byTable.set(table, [change]);
    else inserts.push(change);
  }
  return byTable;
}

/** Keys made for inserts → the rows these turned out to be. */
class Aliases {
  readonly #ids = new Map<string, CentralId>();

  get size(): number {
    return this.#ids.size;
  }

  add(table: TableModel, made: CentralId, real: CentralId): void {
    if (made !== real) this.#ids.set(centralRow(table, made), real);
  }

  rewriteReferences(change: ResolvedChange): void {
    if (this.#ids.size === 0) return;
    for (const { column, parent, id } of change.references) {
      const real = this.#ids.get(centralRow(parent, id));
      if (real !== undefined) change.next.set(column, real);
    }
  }

  rewrite(change: ResolvedChange): void {
    this.rewriteReferences(change);
    change.id = this.#ids.get(centralRow(change.table, change.id)) ?? change.id;
  }
}

async function recogniseTable(
  session: Session,
  table: TableModel,
  inserts: readonly ResolvedChange[],
  aliases: Aliases,
  rejections: Rejections,
): Promise<ResolvedChange[]> {
  if (inserts.length === 0) return [];
  const keys = inserts.map(({ next, incoming }) => ({
    parts: table.naturalKey.map((column) => next.get(column) ?? null),
    store: incoming.from.storeId,
  }));
  const matches =
    table.naturalKey.length === 0 ? keys.map(() => null) : await naturalMatches(session, table, keys);
  const carried = inserts.filter(({ idFrom }) => idFrom === 'carried').map(({ id }) => id);
  const existing = carried.length === 0 ? new Set() : await existingIds(session, table, carried);
  const earlier = new Map<string, CentralId>();
  return inserts.filter((change, index) => {
    const key = keys[index]?.parts ?? [];
    const found = matches[index] ?? null;
    if (change.idFrom === 'till') {
      if (found === change.id) return true;
      rejections.set(change.incoming, disagrees(table, change.id));
      return false;
    }
    const names = [...naturalName(key), ...(change.idFrom === 'carried' ? [`=${change.id}`] : [])];
    const before = names.map((name) => earlier.get(name)).find((id) => id !== undefined);
    const real = found ?? (existing.has(change.id) ? change.id : null) ?? before ?? null;
    for (const name of names) earlier.set(name, real ?? change.id);
    if (real === null) return false;
    aliases.add(table, change.id, real);
    change.id = real;
    return true;
  });
}

/** The natural key as one text; none when a part is missing. */
function naturalName(key: readonly Text[]): string[] {
  return key.length === 0 || key.includes(null) ? [] : [JSON.stringify(key)];
}

function disagrees(table: TableModel, id: CentralId) {
  const why =
    table.naturalKey.length === 0
      ? `${table.local} has no natural key to compare by`
      : `its natural key is not that of the row`;
  return rejection('CONFLICT', `the row was offered as ${table.name} ${id}, but ${why}`);
}

/** Rejects inserts that met a row which the same terminal already has as another row of its own. */
function refuseSecondRows(
  resolved: readonly ResolvedChange[],
  linked: ReadonlyMap<ResolvedChange, readonly string[]>,
  byOwnKey: ReadonlySet<ResolvedChange>,
  rejections: Rejections,
): void {
  if (linked.size === 0) return;
  const own = (change: ResolvedChange) => `${change.terminal}\0${centralRow(change.table, change.id)}`;
  const deleted = new Set(resolved.filter(({ kind }) => kind === 'delete').map(own));
  const first = new Map<string, string>();
  for (const change of resolved) {
    if (change.kind !== 'insert' && change.kind !== 'offer') continue;
    const { identity } = change.incoming.change.row;
    const row = own(change);
    const others = byOwnKey.has(change) ? [] : (linked.get(change) ?? []);
    const earlier = first.get(row) ?? identity;
    first.set(row, earlier);
    if (deleted.has(row) || ![...others, earlier].some((other) => other !== identity)) continue;
    rejections.set(
      change.incoming,
      rejection(
        'NATURAL_KEY_TAKEN',
        `${change.table.name} ${change.id} is already another row of ${change.terminal} in ${change.table.local}`,
      ),
    );
  }
}
