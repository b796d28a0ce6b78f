/** Carries out commands in a world in which a DBA is at work, and brings it to rest. */
import type { PoolClient } from 'pg';
import { until } from '../../../../scripts/support/until.ts';
import { asPayflowError, unreachable } from '../../../../services/shared/errors.ts';
import { publicationName, slotName } from '../../../../services/shared/database/slot-names.ts';
import { assertAgreement } from '../invariants.ts';
import { Play } from '../play.ts';
import type { World } from '../world.ts';
import { DEEDS, type DbaCommand, type SlotDeed } from './commands.ts';
import { changeSql, Desk, pickOne, TABLES } from './desk.ts';
import { PUBLICATION_DEEDS } from './publication-deeds.ts';
import type { TableName } from './shop.ts';

type Deed = Extract<DbaCommand, { seenHalfway: boolean }>;

/** A person runs setup then, as the message says. */
const ENDED_BY_SETUP: ReadonlySet<string> = new Set(['SLOT_LOST', 'PUBLICATION_LOST', 'DB_NOT_SET_UP']);
const OBJECT_IN_USE = '55006';
/** So many, that partitions are looked at too. */
const LOOKS = 7;

const LAST_DEEDS = ['table taken out', 'table replaced at once', 'partition attached with rows'] as const;

export class DbaPlay {
  readonly #world: World;
  readonly #play: Play;
  readonly #desk: Desk;
  #isCaptureWanted = true;
  #held: PoolClient | undefined;
  #away: TableName | undefined;
  /** Capture's login would see half of its rows, and the owner's too. */
  #secured: TableName | undefined;

  constructor(world: World) {
    this.#world = world;
    this.#play = new Play(world);
    this.#desk = new Desk({
      pool: world.pool,
      publication: publicationName(world.prefix),
      slot: slotName(world.prefix),
      truth: this.#play.truth,
    });
  }

  async run(command: DbaCommand): Promise<void> {
    switch (command.at) {
      case 'till':
        await this.#play.run(command);
        return;
      case 'agent':
        if (command.does !== 'read') await this.#play.run(command);
        else await this.#read(command);
        return;
      case 'centre':
      case 'apply':
        await this.release();
        // Whoever works at the centre waits until the table is back.
        if (this.#away === undefined) await this.#play.run(command);
        return;
      case 'log':
        await this.#world.compact(command.stream);
        return;
      case 'dba':
        await this.release();
        if (command.does === 'table renamed away') await this.#renameAway(command.pick);
        else if (command.does === 'rows secured') await this.#secure(command.pick);
        else if ('held' in command) await this.#do(command);
        else await this.#atSlot(command.does);
        return;
      case 'capture':
        await this.release();
        await this.#atCapture(command.does);
        return;
      default:
        unreachable(command);
    }
  }

  /**
   * The DBA goes home, capture runs, everything flows: both sides are equal, and stay so.
   * @throws Error that says what differs
   */
  async rest(): Promise<void> {
    await this.release();
    await this.#unsecure();
    await this.#comeBack();
    await this.#untilEqual();
    // Each session looks at all tables when it begins: of what comes now it is the watch alone that tells.
    for (const does of LAST_DEEDS) {
      await this.#do({ at: 'dba', does, pick: 0, seenHalfway: false, held: false });
      await this.#untilEqual();
    }
  }

  /** What the DBA left open is committed; whoever waits behind it could not even be stopped. */
  async release(): Promise<void> {
    const client = this.#held;
    this.#held = undefined;
    if (client === undefined) return;
    await client.query('COMMIT');
    client.release();
  }

  async #untilEqual(): Promise<void> {
    await this.#looked();
    await this.#world.settle();
    await assertAgreement(this.#world, this.#play.truth);
  }

  async #read(command: Extract<DbaCommand, { does: 'read'; at: 'agent' }>): Promise<void> {
    await this.release();
    if (this.#isCaptureWanted) await this.#world.streamed();
    await this.#world.tills[command.till]?.read(command.stream, command.records);
  }

  async #do({ does, pick, seenHalfway, held }: Deed): Promise<void> {
    await this.#comeBackWithTable();
    await this.#unsecure();
    if (does in PUBLICATION_DEEDS && !(await this.#hasPublication())) return;
    const transactions = await DEEDS[does](this.#desk, pick);
    for (const [at, sql] of transactions.entries()) {
      const isLast = at === transactions.length - 1;
      if (isLast && held && !sql.startsWith('VACUUM')) await this.#hold(sql);
      else await this.#world.pool.query(sql);
      if (!isLast && seenHalfway) await this.#glance();
    }
  }

  async #hold(sql: string): Promise<void> {
    const client = await this.#world.pool.connect();
    await client.query('BEGIN');
    await client.query(sql);
    this.#held = client;
  }

  async #renameAway(pick: number): Promise<void> {
    await this.#comeBackWithTable();
    await this.#unsecure();
    const table = pickOne(TABLES, pick) ?? 'items';
    await this.#world.pool.query(`ALTER TABLE ${table} RENAME TO ${table}_away`);
    this.#away = table;
    if (pick % 2 === 0) await this.#glance();
    await this.#world.pool.query(changeSql(table, pick, `${table}_away`));
  }

  async #secure(pick: number): Promise<void> {
    await this.#comeBackWithTable();
    await this.#unsecure();
    const table = pickOne(TABLES, pick) ?? 'items';
    await this.#world.pool.query(
      `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
       CREATE POLICY half ON ${table} USING (id % 2 = 0)`,
    );
    this.#secured = table;
    if (pick % 2 === 0) await this.#glance();
    await this.#world.pool.query(changeSql(table, pick));
  }

  async #unsecure(): Promise<void> {
    if (this.#secured === undefined) return;
    await this.#world.pool.query(
      `DROP POLICY half ON ${this.#secured};
       ALTER TABLE ${this.#secured} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY`,
    );
    this.#secured = undefined;
  }

  async #comeBackWithTable(): Promise<void> {
    if (this.#away === undefined) return;
    await this.#world.pool.query(`ALTER TABLE ${this.#away}_away RENAME TO ${this.#away}`);
    this.#away = undefined;
  }

  async #hasPublication(): Promise<boolean> {
    const found = await this.#world.pool.query('SELECT FROM pg_publication WHERE pubname = $1', [
      this.#desk.publication,
    ]);
    return found.rowCount === 1;
  }

  async #atSlot(does: SlotDeed): Promise<void> {
    const { pool } = this.#world;
    const { slot } = this.#desk;
    await until(() => this.#isFree(async () => this.#dropOrAdvance(does)), `${slot} is in nobody's use`, {
      everyMs: 5,
    });
    if (does !== 'slot made again') return;
    const made = await pool.query(`SELECT FROM pg_replication_slots WHERE slot_name = $1`, [slot]);
    if (made.rowCount === 0)
      await pool.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
  }

  async #dropOrAdvance(does: SlotDeed): Promise<void> {
    const { pool } = this.#world;
    const { slot } = this.#desk;
    await pool.query(
      'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active',
      [slot],
    );
    const deed =
      does === 'slot advanced'
        ? 'pg_replication_slot_advance(slot_name, pg_current_wal_lsn())'
        : 'pg_drop_replication_slot(slot_name)';
    await pool.query(`SELECT ${deed} FROM pg_replication_slots WHERE slot_name = $1`, [slot]);
  }

  /** A walsender lives a little longer than its connection. */
  async #isFree(deed: () => Promise<void>): Promise<boolean> {
    try {
      await deed();
      return true;
    } catch (error) {
      if ((error as { code?: unknown }).code !== OBJECT_IN_USE) throw error;
      return false;
    }
  }

  async #atCapture(does: 'stop' | 'start' | 'lose its connection'): Promise<void> {
    switch (does) {
      case 'stop':
        await this.#world.stopCapture();
        this.#isCaptureWanted = false;
        return;
      case 'start':
        await this.#comeBack();
        return;
      case 'lose its connection':
        await this.#world.pool.query(
          'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active',
          [this.#desk.slot],
        );
        return;
      default:
        unreachable(does);
    }
  }

  /** Capture runs again, after setup where it says so. */
  async #comeBack(): Promise<void> {
    await this.#comeBackWithTable();
    const world = this.#world;
    while (!this.#isCaptureWanted || world.captureProblem !== undefined) {
      const { captureProblem: problem } = world;
      if (problem !== undefined && !ENDED_BY_SETUP.has(problem.code)) throw problem;
      if (problem !== undefined) await world.setup();
      // Setup alone ends the loss of a publication, for a capture that runs.
      if (!this.#isCaptureWanted || problem?.retry !== 'timed') {
        await world.stopCapture();
        world.startCapture();
      }
      this.#isCaptureWanted = true;
      const goesOn = () =>
        world.captureHealth.state === 'ready' || (world.captureProblem ?? problem) !== problem;
      await until(goesOn, () => `capture reads the WAL: ${JSON.stringify(world.captureHealth)}`);
    }
  }

  /** @returns whether there was a capture that could look; its session may end at any moment */
  async #glance(): Promise<boolean> {
    try {
      await this.#world.session?.watch.look();
      return this.#world.session !== undefined;
    } catch (error) {
      if (asPayflowError(error).retry !== 'timed') throw error;
      return false;
    }
  }

  /** Capture has seen everything there is to be seen, and no table has a state left. */
  async #looked(): Promise<void> {
    const states = async () =>
      this.#desk.column(
        `SELECT table_name || ' ' || code FROM payflow_sync.watched_table WHERE code IS NOT NULL`,
      );
    const hasLooked = async () => {
      await this.#comeBack();
      for (let look = 0; look < LOOKS; look += 1) if (!(await this.#glance())) return false;
      return (await states()).length === 0;
    };
    await until(hasLooked, async () => `no table has a state: ${(await states()).join()}`);
  }
}
