/** The till's bound tables with what is needed to write them, and how their rows refer to each other. */
import { PayflowError } from '../../shared/errors.ts';
import { ByLocalName } from '../../shared/catalog/same-name.ts';
import { triggerTargets } from '../../shared/catalog/trigger-targets.ts';
import type { Reference } from '../../shared/mapping/mapping.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundColumn, BoundTable, LocalBinding } from '../../shared/catalog/table-binding.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { awaitsBootstrap } from '../file/earlier-rows.ts';
import { RowWriter } from './row-writer.ts';
import { ImageReader, type ColumnSet, type Image } from './image.ts';
import type { TriggerFault } from './refusal.ts';
import { appTriggersThatRun } from './running-triggers.ts';
import { SyncRows } from './sync-rows.ts';
import type { GuardScope } from './write-guard.ts';

export interface TillTable {
  readonly bound: BoundTable;
  readonly name: string;
  readonly images: ImageReader;
  readonly rows: SyncRows;
  readonly writer: RowWriter;
  /** Columns of other (or the same) tables that refer to this one. */
  readonly children: readonly {
    readonly table: string;
    readonly column: string;
    readonly reference: Reference;
  }[];
}

/** The row that a reference column names is not on this till. */
export interface MissingParent {
  readonly column: BoundColumn;
  readonly table: string;
  readonly centralId: string;
}

export interface Resolved {
  /** NULL where the parent is missing. */
  readonly values: readonly SqliteValue[];
  readonly missing: readonly MissingParent[];
}

const NONE_MISSING: readonly MissingParent[] = [];

/** A UUID that names a row is its key at once. */
export function isKeyedByUuid({ bound: { local, identityColumn } }: TillTable): boolean {
  return local.key.length === 1 && local.key[0] === identityColumn;
}

export class TillTables {
  readonly #db: SqliteDatabase;
  readonly #byLocal = new ByLocalName<TillTable>();
  readonly #byCentral = new Map<string, TillTable>();
  readonly #uninstallable: LocalBinding['uninstallable'];
  /** No transaction has tried again yet what could not be written under the mapping or the schema before. */
  isFresh = true;
  readonly #referencesAt = new WeakMap<ColumnSet, readonly number[]>();

  constructor(db: SqliteDatabase, binding: LocalBinding) {
    this.#db = db;
    this.#uninstallable = binding.uninstallable;
    const all = [...binding.tables.values()].filter(({ local }) => local.key.length > 0);
    for (const bound of all) {
      const table: TillTable = {
        bound,
        name: bound.local.name,
        images: new ImageReader(bound),
        rows: new SyncRows(db, bound.local.name),
        writer: new RowWriter(db, bound, this.#sameRow),
        children: all.flatMap((child) =>
          child.columns.flatMap(({ local, reference }) =>
            reference?.table === bound.mapping.local
              ? [{ table: child.local.name, column: local, reference }]
              : [],
          ),
        ),
      };
      this.#byLocal.set(bound.local.name, table);
      this.#byCentral.set(bound.mapping.central, table);
    }
  }

  /**
   * After a fault in a trigger of the app: those that fill indexes rest first, then all of the table.
   * @returns why, and what to do; null where none is left that could
   */
  rest({ table: name, ofIndex, message }: TriggerFault): string | null {
    const table = this.#byLocal.get(name);
    if (table === undefined || table.writer.guard.resting.kind === 'all') return null;
    const why = ofIndex
      ? `the search index ${indexesOf(table.bound)} takes no rows (${message}) and is not filled any more; rebuild it, then restart the agent`
      : `a trigger of the app ended our transaction (${message}), and all of the table rest; mend it, then restart the agent`;
    table.writer.guard.resting = { kind: ofIndex ? 'index' : 'all', why };
    return why;
  }

  /** Tables on which triggers of the app stand still, and why. */
  resting(): { table: string; why: string }[] {
    return [...this.all()].flatMap(({ name, writer: { guard } }) =>
      guard.resting.kind === 'none' ? [] : [{ table: name, why: guard.resting.why }],
    );
  }

  /** Tables into which rows come that are new here: those from before were offered, or tell what they are. */
  pastBootstrap(): string[] {
    return [...this.all()].flatMap(({ name, bound }) => (awaitsBootstrap(this.#db, bound) ? [] : [name]));
  }

  byCentral(name: string): TillTable | undefined {
    return this.#byCentral.get(name);
  }

  byLocal(name: string): TillTable | undefined {
    return this.#byLocal.get(name);
  }

  all(): IterableIterator<TillTable> {
    return this.#byLocal.values();
  }

  /** Tables whose rows come down, in the catalog stream or in the store's. */
  pushed({ global }: { readonly global: boolean }): TillTable[] {
    return [...this.all()].filter(
      ({ bound: { mapping } }) =>
        mapping.direction !== 'pull' && (mapping.scope.kind === 'global') === global,
    );
  }

  /** A transaction begins. */
  begin({ nowMs, ...scope }: GuardScope & { readonly nowMs: number }): void {
    for (const { writer } of this.#byLocal.values()) {
      writer.stamp(nowMs);
      writer.guard.begin(scope);
    }
  }

  /** The image's values with central ids of parents turned into what the reference columns hold here. */
  resolve({ set, values }: Image): Resolved {
    const positions = this.#references(set);
    if (positions.every((at) => values[at] === null)) return { values, missing: NONE_MISSING };
    const resolved = [...values];
    const missing: MissingParent[] = [];
    for (const at of positions) {
      const column = set.columns[at] as BoundColumn;
      const id = values[at] ?? null;
      if (id === null || column.reference === null) continue;
      const held = this.#held(column, column.reference, String(id));
      if (held === undefined) missing.push({ column, table: column.reference.table, centralId: String(id) });
      resolved[at] = held ?? null;
    }
    return { values: resolved, missing };
  }

  /** What a reference column holds for this parent row of the till. */
  heldFor(reference: Reference, parent: TillTable, centralId: string, rowKey: SqliteValue): SqliteValue {
    switch (reference.holds) {
      case 'local_key':
        return rowKey;
      case 'server_id':
        return centralId;
      case 'local_id':
        return parent.writer.identity(rowKey);
    }
  }

  /** What a reference column holds for the row of this handle; undefined: it is not here. */
  held(column: BoundColumn, handle: string): SqliteValue | undefined {
    const { reference } = column;
    if (reference === null) return undefined;
    const parent = this.#byLocal.get(reference.table);
    const now = handle.startsWith('~') ? (parent?.rows.named(handle.slice(1)) ?? handle) : handle;
    return this.#held(column, reference, now);
  }

  /** undefined: the parent is not here. A till that lacks the whole table can hold nothing but NULL. */
  #held(column: BoundColumn, reference: Reference, centralId: string): SqliteValue | undefined {
    const parent = this.#byLocal.get(reference.table);
    // Its rows are there, under keys that can't be told: a reference to them is never written over.
    if (this.#uninstallable?.has(reference.table) === true) return undefined;
    if (parent === undefined) return column.notNull ? centralId : null;
    const row = parent.rows.get(centralId);
    if (row === undefined || row.rowKey === null) return undefined;
    const held = this.heldFor(reference, parent, centralId, row.rowKey);
    const numeric = column.affinity === 'INTEGER' || column.affinity === 'NUMERIC';
    return typeof held === 'string' && numeric && /^-?\d{1,18}$/.test(held) ? BigInt(held) : held;
  }

  /** References compare by the row that they mean: `ABC` and `abc` are one where the parent's key says so. */
  readonly #sameRow = ({ reference }: BoundColumn, a: SqliteValue, b: SqliteValue): boolean => {
    const parent = reference === null ? undefined : this.#byLocal.get(reference.table);
    if (reference === null || parent === undefined || a === null) return false;
    const { bound, writer } = parent;
    const column = {
      local_key: bound.local.key.length === 1 ? (bound.local.key[0] ?? null) : null,
      server_id: bound.linkColumn,
      local_id: bound.identityColumn,
    }[reference.holds];
    return column !== null && writer.namesSameRow(column, a, b);
  };

  #references(set: ColumnSet): readonly number[] {
    let positions = this.#referencesAt.get(set);
    if (positions === undefined) {
      positions = set.columns.flatMap((column, at) => (column.reference === null ? [] : [at]));
      this.#referencesAt.set(set, positions);
    }
    return positions;
  }
}

function indexesOf(table: BoundTable): string {
  const filling = appTriggersThatRun(table).filter(({ fillsIndex }) => fillsIndex);
  return [...new Set(filling.flatMap(({ sql }) => triggerTargets(sql) ?? []))].join(', ');
}

export function requireTable(table: TillTable | undefined, name: string): TillTable {
  if (table === undefined) throw new PayflowError('INTERNAL', `table ${name} is not bound`);
  return table;
}

export function policyOf(table: TillTable, column: string) {
  return table.bound.columns.find(({ local }) => local === column)?.policy ?? table.bound.mapping.policy;
}
