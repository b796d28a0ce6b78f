/**
 * A till file of the versions before, taken over at the first start: what was recorded and is not settled becomes changes in
 * flight, with the numbers and the contents that it had, and each row that the centre has gets its base. Inside the
 * transaction that puts the new triggers in. The agent file is written first: a crash in between finds the old outbox again,
 * and all of this is done once more, before anything of it was sent.
 *
 *   in the old outbox               | becomes
 *   --------------------------------+------------------------------------------------------------------
 *   settled                         | nothing: it is in the row
 *   in a unit, a later one or it is | that unit, its hash as it was, now with its bytes
 *     not settled                   |
 *   in no unit                      | new units
 *   an insert that was refused      | a refused row, which may be linked yet
 *   of a table that only comes down | an entry in the new outbox: it is put back
 *   the key of a row changed        | nothing: the row is kept under the new one
 *
 *   the row                         | its base
 *   --------------------------------+------------------------------------------------------------------
 *   with changes, and an image      | that image
 *   with changes, without one       | what it holds, less these changes
 *   without changes                 | what it holds
 *   without link                    | none: its insert is in flight
 */
import type { Logger } from 'pino';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { LocalBinding } from '../../shared/catalog/table-binding.ts';
import { isPublished, numbered } from '../file/captured-tables.ts';
import { KEPT_CHANGE, KEPT_ENTRY } from '../file/kept-keys.ts';
import { TillTables } from '../rows/till-tables.ts';
import { getMeta, setMeta } from '../till/file-facts.ts';
import { quoteName } from '../till/local-schema.ts';
import type { AgentFile } from '../units/agent-file.ts';
import type { CutUnit, NewUnit, UnitChain } from '../units/unit-store.ts';
import { registrationAt, spansFrom, type RegistrationSpan } from '../units/registrations.ts';
import { newUnit, partsBetween } from '../up/cut-units.ts';
import { oldChange, type OldChange } from './old-changes.ts';
import { oldDigest } from './old-digest.ts';
import { OLD_OUTBOX, OldOutbox, type OutboxEntry } from './old-outbox.ts';
import { OldReferences } from './old-references.ts';
import { OldRows } from './old-rows.ts';
import { dropOld, hasOld } from './set-aside.ts';

export interface TakeOverParts {
  readonly db: SqliteDatabase;
  readonly binding: LocalBinding;
  readonly agentFile: AgentFile;
  readonly nowMs: number;
  readonly mappingVersion: number;
  readonly log: Logger;
}

/** Of ordinary rows these are less than a part. */
const UNIT_CHANGES = 500;

/** Inside the transaction that has put the new tables in. */
export function takeOver(parts: TakeOverParts): void {
  if (hasOld(parts.db)) new TakeOver(parts).run();
}

class TakeOver {
  readonly #parts: TakeOverParts;
  readonly #tables: TillTables;
  readonly #outbox: OldOutbox;
  readonly #references: OldReferences;

  constructor(parts: TakeOverParts) {
    const { db, binding } = parts;
    this.#parts = parts;
    this.#tables = new TillTables(db, binding);
    this.#outbox = new OldOutbox(db);
    this.#references = new OldReferences(db, binding, this.#tables);
  }

  run(): void {
    const { db, agentFile, log } = this.#parts;
    const highest = this.#highest();
    const first = this.#outbox.oldestOpen() ?? highest + 1;
    const isOurs = this.#isOurs();
    const cut = agentFile.oldUnits().filter(({ lastSeq }) => lastSeq >= first);
    const old = isOurs ? cut.map((unit) => this.#oldUnit(unit)) : [];
    const end = isOurs ? (agentFile.oldUnits().at(-1)?.lastSeq ?? 0) : first - 1;
    const open = this.#outbox
      .entries(Math.max(first, end + 1), highest)
      .filter(({ outcome }) => outcome === null);
    const units = this.#newUnits(open, isOurs ? agentFile.oldChain() : undefined);
    const refused = this.#refused();
    // An entry that no file holds: what was cut is not of this one.
    const id = isOurs ? null : 'another';
    agentFile.takeOver({ old, units, refused: refused.map(({ kept }) => kept) }, { upTo: highest, id });
    const changes = [
      ...old.flatMap((unit) => unit.changes),
      ...units.flatMap((unit) => unit.taken),
      ...refused,
    ];
    this.#settleKnown(changes);
    this.#enterEdits(highest);
    const edits = this.#changes(open, 0, { published: false });
    new OldRows({ db, tables: this.#tables, references: this.#references }).keep([
      ...changes.filter(({ entry }) => entry.outcome === null || entry.outcome === 'rejected'),
      ...edits,
    ]);
    setMeta(db, KEPT_ENTRY, String(highest));
    setMeta(db, KEPT_CHANGE, String(agentFile.changes.lastNumber()));
    dropOld(db);
    log.info(
      { units: old.length + units.length, open: open.length, isOurs },
      'a till file of an earlier version is taken over',
    );
  }

  #highest(): number {
    const sql = 'SELECT seq FROM sqlite_sequence WHERE name = ?';
    return this.#parts.db.prepare<[string], number>(sql).pluck().get(OLD_OUTBOX) ?? this.#outbox.highestSeq();
  }

  /** The entries of the last unit, read and hashed again, say whether the agent file is this one's. */
  #isOurs(): boolean {
    const last = this.#parts.agentFile.oldUnits().at(-1);
    if (last === undefined || this.#parts.agentFile.waiting !== null) return true;
    return oldDigest(this.#outbox.entries(last.firstSeq, last.lastSeq), last).equals(last.hash);
  }

  #changes(entries: readonly OutboxEntry[], unit: number, { published } = { published: true }): OldChange[] {
    return entries.flatMap((entry) => {
      const table = this.#tables.byLocal(entry.columns.table);
      if (table === undefined || isPublished(table.bound) !== published) return [];
      const sources = { outbox: this.#outbox, references: this.#references };
      return oldChange(sources, table.bound, { entry, unit }) ?? [];
    });
  }

  #oldUnit(unit: CutUnit) {
    const changes = this.#changes(this.#outbox.entries(unit.firstSeq, unit.lastSeq), unit.number);
    const parts = partsBetween({ ...unit, changes: changes.map(({ change }) => change) }, unit.partEnds);
    return { unit, changes, kept: changes.map(({ kept }) => kept), parts };
  }

  #newUnits(
    entries: readonly OutboxEntry[],
    before: UnitChain | undefined,
  ): (NewUnit & { taken: OldChange[] })[] {
    const spans = this.#registrations();
    const units: (NewUnit & { taken: OldChange[] })[] = [];
    let chain = before ?? this.#parts.agentFile.firstChain();
    for (let from = 0; from < entries.length;) {
      const { registration, lastSeq } = registrationAt(spans, entries[from]?.seq ?? 0);
      const rest = entries.slice(from, from + UNIT_CHANGES);
      const piece = rest.filter(({ seq }) => seq <= lastSeq);
      from += piece.length;
      const taken = this.#changes(piece, chain.number + 1);
      if (taken.length === 0) continue;
      const unit = newUnit(
        taken.map(({ change }) => change),
        taken.map(({ kept }) => kept),
        {
          chain,
          registration,
          mappingVersion: this.#parts.mappingVersion,
          cutAtMs: this.#parts.nowMs,
        },
      );
      units.push({ ...unit, taken });
      chain = unit;
    }
    return units;
  }

  #registrations(): readonly RegistrationSpan[] {
    const { db, agentFile } = this.#parts;
    const known = JSON.parse(getMeta(db, 'registrations') ?? '[]') as RegistrationSpan[];
    return known.length > 0 ? known : spansFrom(agentFile.registrationEnds(), agentFile.registration);
  }

  #refused(): OldChange[] {
    const seqs = this.#parts.db
      .prepare<[], number>(`SELECT seq FROM ${OLD_OUTBOX} WHERE outcome = 'rejected' AND op IN ('c', 'r')`)
      .pluck()
      .all();
    return seqs.flatMap((seq) => this.#changes(this.#outbox.entries(seq, seq), 0));
  }

  /** Units hold settled changes too. */
  #settleKnown(changes: readonly OldChange[]): void {
    const { db, agentFile } = this.#parts;
    const note = db.prepare(
      'INSERT OR REPLACE INTO sync_settled (incarnation, change, outcome) VALUES (?, ?, ?)',
    );
    for (const { entry, kept } of changes)
      if (entry.outcome !== null) note.run(agentFile.incarnation, kept.number, entry.outcome);
  }

  /** Edits of tables that only come down: the triggers would have written these of them. */
  #enterEdits(highest: number): void {
    const { db } = this.#parts;
    const enter = db.prepare(
      'INSERT INTO sync_outbox (table_number, op, row_key, at_ms, entry_id) VALUES (?, ?, ?, ?, random())',
    );
    db.prepare(
      `INSERT OR REPLACE INTO sqlite_sequence (rowid, name, seq)
      VALUES ((SELECT rowid FROM sqlite_sequence WHERE name = 'sync_outbox'), 'sync_outbox', ?)`,
    ).run(highest);
    for (const table of this.#tables.all()) {
      if (isPublished(table.bound)) continue;
      const { number } = numbered(db, table.bound);
      const edits = db
        .prepare<[string], { op: string; rowKey: bigint; atMs: bigint; centralId: string | null }>(
          `SELECT o.op, o.row_key AS rowKey, o.captured_at_ms AS atMs, c.central_id AS centralId
             FROM ${OLD_OUTBOX} o JOIN ${quoteName(`sync_change_${table.name}`)} c ON c.seq = o.seq
            WHERE o.table_name = ? AND o.outcome IS NULL ORDER BY o.seq`,
        )
        .safeIntegers()
        .all(table.name);
      for (const { op, rowKey, atMs, centralId } of edits) {
        if (op === 'd' && centralId !== null) table.rows.move(centralId, rowKey);
        enter.run(number, op, rowKey, atMs);
      }
    }
  }
}
