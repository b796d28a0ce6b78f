/** An entry of the versions before as the change that it went up, or goes up, as. */
import type { BoundColumn, BoundTable } from '../../shared/catalog/table-binding.ts';
import { subtractDecimals } from '../../shared/values/decimal.ts';
import type {
  ColumnChange,
  ReferenceChange,
  SqliteValue,
  UnitChange,
} from '../../shared/records/unit-record.ts';
import { sameStored } from '../../shared/values/same-meaning.ts';
import { unlinkedHandle } from '../rows/sync-rows.ts';
import { asRead, asSent } from '../till/exact-text.ts';
import { keptChange, type KeptChange } from '../up/change-store.ts';
import { cutToText } from '../up/cut-text.ts';
import { isNothing } from '../up/entries.ts';
import { amountText, isDeltaColumn, rowValues } from '../up/row-values.ts';
import type { Cut, Edit } from '../up/row-state.ts';
import type { OldOutbox, OutboxEntry } from './old-outbox.ts';
import type { OldReferences } from './old-references.ts';

export interface OldChange {
  readonly entry: OutboxEntry;
  readonly change: UnitChange;
  readonly kept: KeptChange;
}

export interface OldSources {
  readonly outbox: OldOutbox;
  readonly references: OldReferences;
}

/** @returns undefined: nothing of it goes up */
export function oldChange(
  sources: OldSources,
  table: BoundTable,
  { entry, unit }: { readonly entry: OutboxEntry; readonly unit: number },
): OldChange | undefined {
  const { op } = entry;
  if (op === 'k') return undefined;
  const columns: ColumnChange[] = [];
  const references: ReferenceChange[] = [];
  for (const column of table.columns) {
    const { old, new: now } = sidesOf(sources.outbox, entry, column);
    const isClock = column.local === table.timestampColumn;
    if (op === 'u' && !isClock && sameStored(old, now)) continue;
    const { charset } = column.options;
    columns.push({ name: column.local, old: asSent(old, charset), new: asSent(now, charset) });
    if (column.reference === null) continue;
    references.push({
      column: column.local,
      target: sources.references.resolve(column.reference, now, entry.seq),
    });
  }
  const row = { identity: entry.identity ?? '', centralId: entry.centralId };
  const seq = entry.seq;
  const change: UnitChange = {
    seq,
    table: table.local.name,
    op,
    capturedAtMs: entry.capturedAtMs,
    row,
    columns,
    references,
  };
  const kept = keptChange({
    number: seq,
    unit,
    table: table.local.name,
    op,
    handle: row.centralId ?? unlinkedHandle(row.identity),
    identity: row.identity,
    rowEntry: null,
    rowKey: entry.rowKey,
    entries: [],
    atMs: entry.capturedAtMs,
    cutText: cutToText(cutOf(sources, table, { entry, change })),
  });
  return { entry, change, kept };
}

function sidesOf(outbox: OldOutbox, entry: OutboxEntry, { local }: BoundColumn) {
  const { oldIndex, newIndex } = entry.columns;
  const old = oldIndex.get(local);
  const now = newIndex.get(local);
  return {
    old: entry.op === 'c' || entry.op === 'r' || old === undefined ? null : outbox.exact(entry, old),
    new: entry.op === 'd' || now === undefined ? null : outbox.exact(entry, now),
  };
}

function cutOf(
  sources: OldSources,
  table: BoundTable,
  { entry, change }: { entry: OutboxEntry; change: UnitChange },
): Cut {
  if (entry.op === 'd') return { op: 'd', sums: new Map() };
  const targets = new Map(change.references.map(({ column, target }) => [column, target]));
  const parentOf = ({ local }: BoundColumn): string | null => {
    const target = targets.get(local) ?? null;
    return target === null ? null : (target.centralId ?? unlinkedHandle(target.identity));
  };
  const raw = (side: 'old' | 'new'): SqliteValue[] =>
    table.columns.map((column) => asRead(sidesOf(sources.outbox, entry, column)[side], column));
  const values = rowValues(table, raw('new'), parentOf);
  if (entry.op !== 'u') return { op: 'c', values };
  const changed = new Set(change.columns.map(({ name }) => name));
  const edits = new Map<string, Edit>();
  const sums = new Map<string, string>();
  const before = raw('old');
  table.columns.forEach((column, at) => {
    if (!changed.has(column.local)) return;
    if (isDeltaColumn(column)) {
      const sum = subtractDecimals(values.get(column.local) ?? '0', amountText(before[at] ?? null) ?? '0');
      if (!isNothing(sum)) sums.set(column.local, sum);
    } else edits.set(column.local, { before: undefined, after: values.get(column.local) ?? null });
  });
  return { op: 'u', edits, sums };
}
