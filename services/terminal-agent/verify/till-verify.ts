/**
 * The till's side of `verify`. Each question names a position of the centre's WAL: the streams are applied up to there
 * before the till looks, so that it has seen all that the centre saw. What the app has written meanwhile is cut first, and
 * is then unsettled. It reads only, but for `repair`.
 */
import { setImmediate } from 'node:timers/promises';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { PayflowError } from '../../shared/errors.ts';
import { bucketOf, Buckets, LISTED_DIGITS, rowDigest } from '../../shared/verify/row-digest.ts';
import type {
  ComparedColumn,
  ComparedTable,
  RowFacts,
  VERIFY_REQUESTS,
} from '../../shared/verify/questions.ts';
import type { z } from 'zod';
import type { TillApply } from '../apply.ts';
import type { TillCapture } from '../capture.ts';
import { unsweptTables } from '../file/unswept.ts';
import { decodeValue, encodeValue } from '../rows/image.ts';
import { isUnlinked, unlinkedHandle } from '../rows/sync-rows.ts';
import { TillTables, type TillTable } from '../rows/till-tables.ts';
import { isHeld } from '../settlement.ts';
import type { TillHost } from '../till/till-host.ts';
import { waitForApp } from '../till/write-gate.ts';
import { usableName } from '../up/folded-tables.ts';
import { Parents } from '../up/parents.ts';
import { RowLook } from './row-look.ts';
import { RowTexts, sharedColumns } from './row-texts.ts';
import { TablePass, type PassedRow } from './table-pass.ts';

type Asked<Name extends keyof typeof VERIFY_REQUESTS> = z.output<(typeof VERIFY_REQUESTS)[Name]['request']>;
type Answer<Name extends keyof typeof VERIFY_REQUESTS> = z.output<(typeof VERIFY_REQUESTS)[Name]['result']>;

/** A reader of one of the till's streams. */
export interface RereadableStream {
  readAgain(): Promise<void>;
}

export interface TillVerifyParts {
  readonly till: TillHost;
  readonly apply: TillApply;
  readonly capture: TillCapture;
  /** Of the catalog, or of the store. */
  readonly stream: (of: { readonly global: boolean }) => RereadableStream;
  /** Until both streams are applied up to a position. @throws PayflowError SYNC_TIMEOUT */
  readonly reached: (options: { readonly lsn: string; readonly timeoutMs: number }) => Promise<void>;
}

/** Rows without a central id are named one by one; of more, something is wrong with all of the table. */
const MOST_UNLINKED = 20_000;
/** Keys may be long, and an answer must go through. */
const UNLINKED_CHARACTERS = 1_000_000;

export class TillVerify {
  readonly #parts: TillVerifyParts;
  #tables: { readonly generation: number; readonly bound: TillTables } | undefined;

  constructor(parts: TillVerifyParts) {
    this.#parts = parts;
  }

  /** Which tables can be compared, and why others can't. @throws PayflowError NOT_FOUND */
  tables({ table: only }: Asked<'verify:tables'>): Answer<'verify:tables'> {
    const { binding } = this.#bound().till;
    const isWanted = (name: string) => only === undefined || name === only;
    const skipped = [
      ...binding.missing.map(({ local }) => ({ table: local, why: 'the till has no such table' })),
      ...[...(binding.uninstallable ?? [])].map(([table, { why }]) => ({ table, why })),
      ...[...binding.tables.values()]
        .filter(({ local }) => local.key.length === 0)
        .map(({ local }) => ({ table: local.name, why: 'it has no key' })),
    ].filter(({ table }) => isWanted(table));
    const tables = [...this.#bound().tables.all()]
      .filter(({ bound }) => isWanted(bound.mapping.local) || isWanted(bound.local.name))
      .map(({ bound }) => comparedTable(bound, (name) => this.#table(name) !== undefined));
    if (only !== undefined && tables.length + skipped.length === 0)
      throw new PayflowError('NOT_FOUND', `the mapping of this till has no table ${only}`);
    return { tables, skipped };
  }

  /** Which buckets of rows are not the same. */
  async buckets({ table: name, columns, count, buckets, ...position }: Asked<'verify:buckets'>) {
    const central = Buckets.decode(buckets, count);
    if (central === undefined) throw new PayflowError('VALIDATION', 'the sums are of another form');
    await this.#at(position);
    const own = new Buckets(count);
    const unlinked: string[] = [];
    let [moreUnlinked, left] = [0, UNLINKED_CHARACTERS];
    await this.#goOver({ name, columns }, ({ handle, rowKey }, digest) => {
      if (isLinked(handle)) return own.add(bucketOf(handle, count), digest());
      const key = encodeValue(rowKey) ?? '';
      left -= key.length;
      if (unlinked.length < MOST_UNLINKED && left >= 0) unlinked.push(key);
      else moreUnlinked += 1;
    });
    const differing = central.differing(own).map((bucket): [number, number] => [bucket, own.rowsIn(bucket)]);
    return { rows: own.rows, differing, unlinked, moreUnlinked };
  }

  /** The rows of these buckets that are not the same, or are only on one side. */
  async rows({ table: name, columns, count, of, rows, ...position }: Asked<'verify:rows'>) {
    await this.#at(position);
    const wanted = new Set(of);
    const central = new Map(rows);
    const ids: string[] = [];
    await this.#goOver({ name, columns }, ({ handle }, digest) => {
      if (!isLinked(handle) || !wanted.has(bucketOf(handle, count))) return;
      const known = central.get(handle);
      central.delete(handle);
      if (known !== digest().toString('hex').slice(0, LISTED_DIGITS)) ids.push(handle);
    });
    return { ids: [...ids, ...central.keys()] };
  }

  /** What is to be said of single rows. */
  async look({ table: name, columns, rows, keys, ...position }: Asked<'verify:look'>) {
    const { till, capture, apply } = this.#parts;
    await this.#at(position);
    if (capture.isBehind) {
      await waitForApp(till.gate);
      apply.applyLocal();
    }
    capture.cutAll();
    const table = this.#required(name);
    const look = new RowLook({
      table,
      columns: sharedColumns(table, columns),
      flight: capture.flight,
      parked: apply.parked,
      isUnswept: unsweptTables(till.db).has(table.name),
      isHeld: (seq) => isHeld(apply.progress, seq),
      parentOf: this.#parents().handleOf,
    });
    const facts: RowFacts[] = [...rows.map((row) => look.byId(row)), ...keys.map((key) => look.byKey(key))];
    return { rows: facts };
  }

  /** By the ways that rows always take; nothing is written here. */
  async repair({ table: name, readsAgain, offers, ...position }: Asked<'verify:repair'>) {
    const { apply, stream } = this.#parts;
    const { bound } = this.#required(name);
    await this.#at(position);
    const { rows } = this.#required(name);
    const linked = offers.ids.map((id) => rows.get(id)?.rowKey ?? null);
    await apply.sweep.offer(name, [...linked, ...offers.keys.map(decodeValue)]);
    if (readsAgain) {
      await stream({ global: bound.mapping.scope.kind === 'global' }).readAgain();
      await this.#at(position);
    }
    return {};
  }

  async #at(position: { readonly lsn: string; readonly timeoutMs: number }): Promise<void> {
    const { refusal } = this.#parts.apply.standing;
    if (refusal !== undefined) throw refusal;
    await this.#parts.reached(position);
  }

  /** Each row, and of one with a central id what makes its digest. */
  async #goOver(
    { name, columns }: { readonly name: string; readonly columns: readonly ComparedColumn[] },
    visit: (row: PassedRow, digest: () => Buffer) => void,
  ): Promise<void> {
    const table = this.#required(name);
    const { generation, db, gate } = this.#parts.till;
    const texts = new RowTexts(table, sharedColumns(table, columns));
    // With a rollback journal whoever reads keeps the app from committing.
    const turn = isWal(db) ? () => setImmediate() : () => waitForApp(gate);
    for await (const piece of new TablePass(db, table, texts).pieces(turn)) {
      const parents = this.#parents();
      for (const row of piece) visit(row, () => digestOf(table, row, texts, parents));
      if (this.#parts.till.generation !== generation)
        throw new PayflowError('CONFLICT', `${name} was altered while it was compared`);
    }
  }

  #parents(): Parents {
    const { till, tables } = this.#bound();
    return new Parents({
      db: till.db,
      binding: till.binding,
      tables,
      folded: new Map(),
      takeAlong: (parent, key) => unlinkedHandle(usableName(parent, key) ?? ''),
    });
  }

  #required(name: string): TillTable {
    const table = this.#table(name);
    if (table === undefined) throw new PayflowError('NOT_FOUND', `the till has no table ${name}`);
    return table;
  }

  #table(name: string): TillTable | undefined {
    return this.#bound().tables.byLocal(name);
  }

  #bound(): { readonly till: TillHost; readonly tables: TillTables } {
    const { till } = this.#parts;
    till.followSchema();
    if (this.#tables?.generation !== till.generation)
      this.#tables = { generation: till.generation, bound: new TillTables(till.db, till.binding) };
    return { till, tables: this.#tables.bound };
  }
}

function isWal(db: SqliteDatabase): boolean {
  return db.pragma('journal_mode', { simple: true }) === 'wal';
}

function isLinked(handle: string | undefined): handle is string {
  return handle !== undefined && !isUnlinked(handle);
}

function digestOf(table: TillTable, row: PassedRow, texts: RowTexts, parents: Parents): Buffer {
  const { handle = '', raw, base, link } = row;
  // The copy of the id that the app reads says another row: worth a look.
  if (table.bound.linkColumn !== null && String(link) !== handle) return rowDigest(handle, []);
  return rowDigest(handle, texts.of(raw, base, parents.handleOf));
}

function comparedTable(
  { mapping, local, columns, softDeleteColumn }: BoundTable,
  hasParent: (table: string) => boolean,
): ComparedTable {
  const isSoft = mapping.delete === 'auto' || mapping.delete === 'soft';
  return {
    table: local.name,
    // What refers to a table that the till lacks holds NULL here.
    columns: columns
      .filter(({ reference }) => reference === null || hasParent(reference.table))
      .map(({ central }) => central),
    isUnmarked: isSoft && softDeleteColumn === null,
    direction: mapping.direction,
  };
}
