/** Which row each entry of the file is of: kept for those whose keys are, folded for the others. */
import type { Entry } from '../../../../../services/terminal-agent/up/entries.ts';
import { foldEntries } from '../../../../../services/terminal-agent/up/fold-entries.ts';
import type { KeptRow, TillFile } from './till-file.ts';

export interface FoldedRow {
  readonly identity: string;
  readonly key: string | null;
  readonly entries: readonly Entry[];
  readonly ousted: Entry | null;
}

/** All rows that entries which are still there touch. */
export function foldFile(file: TillFile): FoldedRow[] {
  const rows = new Map<string, FoldedRow & { entries: Entry[] }>();
  for (const entry of file.entries) {
    const identity = file.rowOf.get(entry.id);
    if (identity === undefined) continue;
    const row = rows.get(identity) ?? {
      identity,
      key: file.kept.get(identity)?.key ?? null,
      entries: [],
      ousted: file.ousted.get(identity) ?? null,
    };
    row.entries.push(entry);
    rows.set(identity, row);
  }
  for (const [identity, ousted] of file.ousted) {
    if (!rows.has(identity)) rows.set(identity, { identity, key: null, entries: [], ousted });
  }
  for (const { identity, key, entries, ousted } of foldNew(file, file.lastSeq)) {
    const before = rows.get(identity)?.entries ?? [];
    rows.set(identity, { identity, key, entries: [...before, ...entries], ousted });
  }
  return [...rows.values()];
}

export function keepKeys(file: TillFile, upTo: number): void {
  for (const { identity, key, entries, ousted } of foldNew(file, upTo)) {
    const kept = keptOf(file, identity);
    kept.key = key;
    for (const { id } of entries) file.rowOf.set(id, identity);
    if (ousted !== null) file.ousted.set(identity, ousted);
  }
  file.keyed = Math.max(file.keyed, upTo);
}

export function keptOf(file: TillFile, identity: string): KeptRow {
  const known = file.kept.get(identity);
  if (known !== undefined) return known;
  const kept: KeptRow = {
    identity,
    id: null,
    key: null,
    base: null,
    mark: null,
    at: 0,
    waiting: null,
    isBlind: false,
  };
  file.kept.set(identity, kept);
  return kept;
}

/** What the model calls the row: one of head office is called by its identity. */
export function thingOf(file: TillFile, identity: string): string {
  return file.thingOf.get(identity) ?? identity;
}

function foldNew(file: TillFile, upTo: number) {
  const at = new Map([...file.kept.values()].map(({ key, identity }) => [key, identity]));
  const entries = file.entries.filter(({ seq }) => seq > file.keyed && seq <= upTo);
  return foldEntries(entries, (key) => at.get(key));
}
