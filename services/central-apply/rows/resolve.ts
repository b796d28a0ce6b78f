/**
 * Till rows and values become central ones: identities through links, local keys through references, stored
 * values through the mapping. Pure; what it needs from the database was read before (links, new keys).
 */
import { centralId, centralIdParts, type CentralId } from '../../shared/records/change-record.ts';
import { decodePosition } from '../../shared/records/position.ts';
import { isUncaptured, type ColumnChange, type RowRef } from '../../shared/records/unit-record.ts';
import {
  rowName,
  tillRow,
  type Incoming,
  type IncomingUnit,
  type Rejection,
  type Rejections,
  type ResolvedChange,
  type ResolvedReference,
  type SeenUpTo,
} from './change.ts';
import { storeOfInsert, type InsertedStore } from './authority.ts';
import { changeClockMs, isFill } from './clock.ts';
import { ForetoldKeys } from './foretold.ts';
import type { NewKeys } from './identity.ts';
import { canonicalKeyText, fitsKey } from './key-form.ts';
import type { CentralModel, ColumnModel, TableModel } from './model.ts';
import { isStore } from './places.ts';
import type { Text } from './sql.ts';

/** Thrown inside this file only, and turned into a rejection of the change. */
class Refusal extends Error {
  readonly code: string;
  readonly isForeign: boolean;
  constructor(code: string, message: string, isForeign = false) {
    super(message);
    this.code = code;
    this.isForeign = isForeign;
  }
}

export class Resolver {
  readonly #model: CentralModel;
  /** Till row → central id: links, and the inserts seen so far. */
  readonly #known: Map<string, CentralId>;
  readonly #keys: NewKeys;
  readonly #foretold: ForetoldKeys;
  /** Rows the till deleted earlier in this group: an insert of the same identity brings them back. */
  readonly #deleted = new Map<string, CentralId>();

  constructor(model: CentralModel, links: ReadonlyMap<string, CentralId>, keys: NewKeys) {
    this.#model = model;
    this.#known = new Map(links);
    this.#keys = keys;
    this.#foretold = new ForetoldKeys(keys, keyValues);
  }

  /** Resolves changes in their order, leaving out what is rejected and adding what has to be. */
  resolve(changes: readonly Incoming[], rejections: Rejections): ResolvedChange[] {
    const resolved: ResolvedChange[] = [];
    this.#foretold.begin(changes, rejections);
    for (const incoming of changes) {
      if (rejections.has(incoming)) continue;
      try {
        resolved.push(this.#resolve(incoming));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        const { code, message, isForeign } = error;
        rejections.set(incoming, { code, constraint: null, message, isForeign });
      }
    }
    return resolved;
  }

  /** The central row of a till row, where it is known. */
  find(from: IncomingUnit, table: TableModel, row: RowRef): CentralId | null {
    const linked = this.#linked(from, table, row);
    if (linked !== undefined) return linked;
    return from.trusted && row.centralId !== null && fitsKey(table, row.centralId)
      ? (row.centralId as CentralId)
      : null;
  }

  #linked(from: IncomingUnit, table: TableModel, row: RowRef): CentralId | undefined {
    return this.#known.get(tillRow(from.terminal, table, rowName(row)));
  }

  #resolve(incoming: Incoming): ResolvedChange {
    const { from, change, table } = incoming;
    if (table === null) throw new Refusal('TABLE_NOT_MAPPED', `table ${change.table} is not mapped`);
    checkAllowed(incoming, table);
    const { tillRow: key, converted } = incoming;
    if ('unfit' in converted) throw new Refusal('VALUE_UNFIT', converted.unfit);
    const { texts } = converted;
    const before = this.#before(incoming, table, converted.before);
    const { values, references } = this.#values(incoming, table, texts);
    const { kind, id, idFrom, linked } = this.#row(incoming, table, key, values);
    if (kind === 'update' || kind === 'fill') refuseOtherKey(table, id, values);
    if (kind === 'insert' || kind === 'offer') {
      this.#known.set(key, id);
      this.#deleted.delete(key);
    }
    if (kind === 'delete') this.#deleted.set(key, id);
    const clockMs = changeClockMs(table, change, from.receivedAtMs);
    const { terminal } = from;
    const { seq } = change;
    const image = seenUpTo(incoming, this.#model.horizonDays);
    const row = { table, kind, terminal, id, idFrom, linked, clockMs, seq, image };
    return { incoming, ...row, next: values, before, references };
  }

  /** With the rows that references meant before. */
  #before(
    { from, change, table }: Incoming,
    { byLocal }: TableModel,
    plain: ReadonlyMap<string, Text>,
  ): ReadonlyMap<string, Text> {
    if (table === null || (change.op !== 'u' && change.op !== 'd')) return plain;
    let before: Map<string, Text> | null = null;
    for (const { name, seen } of [...change.columns, ...(change.others ?? [])]) {
      const model = byLocal.get(name);
      if (model?.parent == null || seen === undefined || seen === 'unknown') continue;
      const id = this.#seenParent(from, model.parent, seen.text);
      if (id !== undefined) (before ??= new Map(plain)).set(model.central.name, id);
    }
    return before ?? plain;
  }

  /** @returns undefined where it is not known here */
  #seenParent(from: IncomingUnit, parent: string, text: Text): Text | undefined {
    if (text?.startsWith('~') !== true) return from.trusted ? text : undefined;
    const table = this.#model.byLocal.get(parent);
    const row = { identity: text.slice(1), centralId: null };
    return table === undefined ? undefined : this.#linked(from, table, row);
  }

  #row(
    incoming: Incoming,
    table: TableModel,
    key: string,
    values: Map<string, Text>,
  ): Pick<ResolvedChange, 'kind' | 'id' | 'idFrom' | 'linked'> {
    const { from, change } = incoming;
    if (change.op === 'u' || change.op === 'd') {
      const id = this.#known.get(key) ?? this.find(from, table, change.row);
      const kind = change.op === 'd' ? 'delete' : isFill(change) ? 'fill' : 'update';
      if (id !== null) return { kind, id, idFrom: 'link', linked: this.#known.has(key) };
      throw new Refusal(
        'REFERENCE_UNKNOWN',
        `row ${change.row.identity || change.row.centralId} of ${table.local} is unknown`,
      );
    }
    const deleted = this.#deleted.get(key);
    const linked = this.#known.get(key);
    if (linked !== undefined && deleted === undefined) {
      return { kind: 'repeat', id: linked, idFrom: 'link', linked: true };
    }
    const kind = change.op === 'c' ? 'insert' : 'offer';
    constants(table, from, values);
    refuseOtherStore(table, from, values);
    const offered = kind === 'offer' ? this.find(from, table, change.row) : null;
    if (deleted !== undefined) return { kind, id: deleted, idFrom: 'link', linked: true };
    if (offered !== null) return { kind, id: offered, idFrom: 'till', linked: false };
    const foretold = this.#foretold.get(key);
    for (const [column, value] of foretold?.values ?? []) values.set(column, value);
    const made = foretold?.made ?? this.#keys.complete(table, values);
    if (made === null) throw new Refusal('DB_SCHEMA', `${table.name} has a key that nobody fills in`);
    const id = centralId(table.key.map((column) => values.get(column) ?? ''));
    return { kind, id, idFrom: made ? 'allocated' : 'carried', linked: false };
  }

  #values(incoming: Incoming, table: TableModel, texts: readonly Text[]) {
    const { change } = incoming;
    const values = new Map<string, Text>();
    const references: ResolvedReference[] = [];
    if (change.op === 'd') return { values, references };
    for (const [index, column] of change.columns.entries()) {
      const model = table.byLocal.get(column.name);
      if (model === undefined) continue;
      const name = model.central.name;
      if (model.parent === null) {
        const text = texts[index] ?? null;
        if (
          text === null &&
          change.op !== 'u' &&
          model.central.notNull &&
          model.central.defaultSql !== null
        ) {
          continue; // The till may leave empty what the centre fills in by itself.
        }
        values.set(name, text);
        continue;
      }
      const reference = this.#reference(incoming, model, column);
      values.set(name, reference?.id ?? null);
      if (reference !== null) references.push(reference);
    }
    return { values, references };
  }

  #reference(incoming: Incoming, model: ColumnModel, column: ColumnChange): ResolvedReference | null {
    if (column.new === null) return null;
    const { from, change } = incoming;
    const target = change.references.find((reference) => reference.column === column.name)?.target ?? null;
    const parent = this.#model.byLocal.get(model.parent ?? '');
    if (parent === undefined) {
      throw new Refusal(
        'TABLE_NOT_MAPPED',
        `${change.table}.${column.name} refers to a table that is missing`,
      );
    }
    if (target !== null && isUncaptured(target)) throw uncaptured(`${change.table}.${column.name}`, parent);
    const own = target === null ? undefined : this.#linked(from, parent, target);
    const named = target === null ? null : (own ?? this.find(from, parent, target));
    const foretold = target === null || named !== null ? null : this.#foretold.foretell(from, parent, target);
    const id = named ?? foretold;
    if (id === null) {
      const what =
        target === null
          ? 'a row that is not there'
          : `row ${target.identity || target.centralId}, which is unknown`;
      throw new Refusal(
        'REFERENCE_UNKNOWN',
        `${change.table}.${column.name} refers to ${what} in ${parent.local}`,
      );
    }
    if (parent.key.length !== 1) {
      throw new Refusal('DB_SCHEMA', `${parent.name} has a composite key, which ${column.name} cannot hold`);
    }
    return { column: model.central.name, parent, id, linked: own !== undefined || foretold !== null };
  }
}

/** Its till can't name the row, and the letter holds no name either: that no retry alone helps has to be said. */
function uncaptured(column: string, { local, direction }: TableModel): Refusal {
  const without = `\`payflow dead-letters retry ID --set ${column}=NULL\``;
  const why =
    direction === 'push'
      ? `that the till has and the centre does not, and tills add none (direction: push); enter it at the centre for what is sold from now on, and ${without}`
      : `a table that this till can not capture (its status says why); once it can, \`payflow bootstrap\` offers both rows anew; or ${without}`;
  const row = direction === 'push' ? `a row of ${local}` : `a row of ${local},`;
  return new Refusal('REFERENCE_UNKNOWN', `${column} refers to ${row} ${why}`);
}

const DAY_MS = 86_400_000;

/**
 * No image is later than the change that was made on it. Who wrote what is kept for twice the horizon at least, so it is
 * known behind every image but those of a till that was away for longer.
 */
function seenUpTo({ from, change }: Incoming, horizonDays: number): SeenUpTo {
  if (from.receivedAtMs - change.capturedAtMs > horizonDays * DAY_MS) return 'beyond horizon';
  if (change.image === undefined) return 'unknown';
  return decodePosition(Buffer.from(change.image, 'hex'));
}

/** What the mapping rules out whatever the rows are. */
function checkAllowed({ from, change }: Incoming, table: TableModel): void {
  const { identity } = change.row;
  const added = change.op === 'c' || change.op === 'r';
  if (identity.includes('\0') || (identity === '' && (added || change.row.centralId === null))) {
    throw new Refusal('VALUE_UNFIT', `a row of ${change.table} has no usable identity`);
  }
  // An operator may do what tills may not.
  if (from.lentAuthority) return;
  if (table.direction === 'push' && added) {
    throw new Refusal('CHANGE_NOT_ALLOWED', `${table.local} is only pushed: tills do not add rows to it`);
  }
  if (change.op === 'd' && table.delete === 'deny') {
    throw new Refusal('CHANGE_NOT_ALLOWED', `tills may not delete rows of ${table.local}`);
  }
}

/** A row is known by its central key on every till that has it: a till can't give it another. */
function refuseOtherKey(table: TableModel, id: CentralId, values: ReadonlyMap<string, Text>): void {
  const parts = centralIdParts(id, table.key.length);
  table.key.forEach((name, index) => {
    const column = table.central.get(name);
    const value = values.get(name) ?? null;
    if (column === undefined || !values.has(name)) return;
    if (value !== null && canonicalKeyText(column, value) === parts[index]) return;
    throw new Refusal(
      'CHANGE_NOT_ALLOWED',
      `${name} is part of the key of ${table.name}: a till may delete the row and insert it anew, not rename it`,
    );
  });
}

/** What the mapping and the till's registration say of a row that it inserts. */
function constants(table: TableModel, from: IncomingUnit, values: Map<string, Text>): void {
  const { scope } = table;
  if (scope.kind === 'column' && insertedStore(table, from, values) === 'own') {
    values.set(scope.column, from.storeId);
  }
  for (const [column, constant] of table.set) {
    if (constant.kind === 'store') values.set(column, from.storeId);
    else if (constant.kind === 'terminal') values.set(column, from.terminal);
    else values.set(column, String(constant.value));
  }
}

function refuseOtherStore(table: TableModel, from: IncomingUnit, values: ReadonlyMap<string, Text>): void {
  if (from.lentAuthority || insertedStore(table, from, values) !== 'refused') return;
  throw new Refusal('CHANGE_NOT_ALLOWED', `a till may not add rows of another store to ${table.local}`, true);
}

function insertedStore(
  table: TableModel,
  from: IncomingUnit,
  values: ReadonlyMap<string, Text>,
): InsertedStore {
  const { scope } = table;
  // What the mapping itself says of the column is head office's word.
  if (scope.kind !== 'column' || table.set.has(scope.column)) return 'kept';
  const given = values.get(scope.column) ?? null;
  return storeOfInsert({
    isEmpty: given === null,
    isOwn: given !== null && isStore(table, given, from.storeId),
  });
}

/** What the till says of the key of a row, and what is constant in it; null where it has an unfit value. */
function keyValues({ from, change, converted }: Incoming, table: TableModel): Map<string, Text> | null {
  if ('unfit' in converted) return null;
  const values = new Map<string, Text>();
  for (const [index, column] of change.columns.entries()) {
    const name = table.byLocal.get(column.name)?.central.name;
    if (name !== undefined && table.key.includes(name)) values.set(name, converted.texts[index] ?? null);
  }
  constants(table, from, values);
  return new Map([...values].filter(([column]) => table.key.includes(column)));
}

/** A rejection made outside: for the stages that find out later. */
export function rejection(code: string, message: string): Rejection {
  return { code, constraint: null, message };
}
