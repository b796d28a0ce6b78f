/** A till that a version with value triggers has left in the middle of everything, as this version goes on with it. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { readLocalCatalog } from '../../services/shared/catalog/local-catalog.ts';
import { bindLocal } from '../../services/shared/catalog/table-binding.ts';
import type { SqliteDatabase } from '../../services/shared/database/sqlite.ts';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';
import { decodeUnitRecord } from '../../services/shared/records/unit-codec.ts';
import type { Unit } from '../../services/shared/records/unit-record.ts';
import { TillApply } from '../../services/terminal-agent/apply.ts';
import { TillCapture } from '../../services/terminal-agent/capture.ts';
import { goOn } from '../../services/terminal-agent/settle/unsettled-units.ts';
import { TillStanding } from '../../services/terminal-agent/standing.ts';
import { fillAgentFile } from '../../services/terminal-agent/take-over/agent-file-over.ts';
import { TillDatabase } from '../../services/terminal-agent/till/till-database.ts';
import { AgentFile } from '../../services/terminal-agent/units/agent-file.ts';
import { UnitBuilder } from '../../services/terminal-agent/units/unit-builder.ts';
import { TestSchemas } from './down-stream.ts';
import { rebuildOldTill } from './old-till.ts';
import { CATALOG, SHOP_CENTRAL, SHOP_MAPPING, STORE } from './shop-till.ts';
import { silentLog } from './till.ts';

export const MAPPING = parseMapping(SHOP_MAPPING, 1);

export class TakenTill {
  readonly folder = mkdtempSync(join(tmpdir(), 'payflow-old-'));
  readonly file = join(this.folder, 'payflow.db');
  readonly schemas = new TestSchemas(SHOP_CENTRAL);
  app: SqliteDatabase;
  till!: TillDatabase;
  agentFile!: AgentFile;
  capture!: TillCapture;
  apply!: TillApply;
  #clockMs = 0;
  #isOpen = false;
  #standing = new TillStanding();

  constructor() {
    rebuildOldTill(this.folder);
    this.app = new Database(this.file);
    this.keep();
  }

  /** @param dies in the place of what payflow.db is told once the agent file is filled */
  open(dies?: () => never, mapping = MAPPING): void {
    this.#isOpen = true;
    this.agentFile = AgentFile.open(this.folder, 'T1');
    this.till = TillDatabase.open({
      file: this.file,
      mapping,
      terminalId: 'T1',
      incarnation: this.agentFile.incarnation,
      elapsedMs: () => (this.#clockMs += 60_000),
      log: silentLog,
    });
    const { till, agentFile } = this;
    till.useIncarnation({ keepsSettled: agentFile.claim(till.incarnationBefore) });
    const { db, binding, mappingVersion } = till;
    const write: TillDatabase['write'] = (body) => (dies === undefined ? till.write(body) : dies());
    fillAgentFile({ till: { db, binding, mappingVersion, write }, agentFile, nowMs: 1, log: silentLog });
    const standing = new TillStanding();
    this.#standing = standing;
    this.capture = new TillCapture({ till, agentFile, standing, log: silentLog });
    this.apply = new TillApply({
      till,
      schemas: this.schemas,
      capture: this.capture,
      topics: { catalog: CATALOG, store: STORE },
      ownUnits: agentFile,
      standing,
      log: silentLog,
    });
  }

  /** Whether an agent has it. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  shut(): void {
    this.#isOpen = false;
    this.till.close();
    this.agentFile.close();
  }

  loseAgentFile(): void {
    for (const end of ['', '-wal', '-shm']) rmSync(join(this.folder, `T1.agent.db${end}`), { force: true });
  }

  /** A backup of payflow.db. */
  keep(): void {
    this.app.pragma('wal_checkpoint(TRUNCATE)');
    copyFileSync(this.file, `${this.file}.kept`);
  }

  /** The newest backup is put in its place, while no agent runs. */
  restore(): void {
    this.app.close();
    for (const end of ['-wal', '-shm']) rmSync(`${this.file}${end}`, { force: true });
    copyFileSync(`${this.file}.kept`, this.file);
    this.app = new Database(this.file);
  }

  /** The centre has said so; all that was cut had gone up before the file announced itself. */
  goOn(): void {
    const sent = this.agentFile.unpublished(Infinity, 1000).map(({ number }) => number);
    this.agentFile.markPublished(sent, { nowMs: 1, lastOffset: 1 });
    goOn(this.till, this.agentFile);
    this.capture.flight.reload();
    this.#standing.set({ kind: 'ok' });
  }

  /** What is to be sent, from the unit on that holds a seq. */
  units(fromSeq = 3): Unit[] {
    const { till, agentFile } = this;
    const builder = new UnitBuilder(till, agentFile, {
      terminal: 'T1',
      databaseId: 'database',
      keyVersion: 1,
    });
    agentFile.markUnpublished(fromSeq);
    const open = agentFile.unpublished(Infinity, 1000);
    return builder.build(open, 1e9).records.flatMap((record) => decodeUnitRecord(record).units);
  }

  /** Rows as the app's file and our tables in it hold them. */
  dump(...tables: string[]): unknown[] {
    return tables.map((table) => this.app.prepare(`SELECT * FROM "${table}" ORDER BY 1, 2`).raw().all());
  }

  close(): void {
    this.app.close();
    if (this.isOpen) this.shut();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function bindingOf(db: SqliteDatabase) {
  return bindLocal(MAPPING, readLocalCatalog(db));
}
