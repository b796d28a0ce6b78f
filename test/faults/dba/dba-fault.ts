/**
 * A DBA who works at the centre while shops sell. Most of it the watch has to notice by itself; what ends the WAL (a
 * publication or a slot that is gone) takes `payflow setup`, as the message says.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../../scripts/support/until.ts';
import { publicationName, slotName } from '../../../services/shared/database/slot-names.ts';
import type { Fault, FaultContext } from '../faults.ts';
import { Desk, editAllSql, editSql, type Deed } from './desk.ts';
import { PARTITION_DEEDS, PARTITIONED_SQL } from './partition-deeds.ts';
import { PUBLICATION_DEEDS } from './publication-deeds.ts';
import { TABLE_DEEDS } from './table-deeds.ts';

/** As long as nobody sets TOPIC_PREFIX. */
const PREFIX = 'payflow';
const DEEDS: Readonly<Record<string, Deed>> = { ...TABLE_DEEDS, ...PARTITION_DEEDS, ...PUBLICATION_DEEDS };
const DEEDS_A_ROUND = 9;
const KILLED = ['capture', 'apply', 'gateway', 'T1'] as const;
/** After some of these the DBA works as with the others. */
const LOSSES = ['publication dropped', 'slot dropped', 'slot made again', 'slot advanced'] as const;

export const DBA_FAULTS: readonly Fault[] = [
  {
    name: 'a DBA at work, and kill -9 meanwhile',
    beforeSetup: async (pool) => void (await pool.query(PARTITIONED_SQL)),
    async make(context) {
      const { site, random } = context;
      const desk = new Desk({ pool: site.pool, publication: publicationName(PREFIX), random });
      const loss = desk.below(DEEDS_A_ROUND);
      for (let done = 0; done < DEEDS_A_ROUND; done += 1) {
        if (done === loss) await lose(context, desk);
        const name = desk.oneOf(Object.keys(DEEDS)) ?? '';
        site.note(`DBA: ${name}`);
        const transactions = (await DEEDS[name]?.(desk)) ?? [];
        await Promise.all([
          carryOut(desk, transactions),
          desk.below(2) === 0 ? kill(context, desk) : undefined,
        ]);
        await pause(random() * 4_000);
      }
      await noTableHasAState(site);
    },
  },
];

/** Seen halfway, or not. */
async function carryOut(desk: Desk, transactions: readonly string[]): Promise<void> {
  for (const sql of transactions) {
    await desk.carryOut(sql);
    await pause(desk.below(2) * desk.below(2_000));
  }
}

async function kill({ site, random }: FaultContext, desk: Desk): Promise<void> {
  await pause(random() * 1_500);
  const name = desk.oneOf(KILLED) ?? 'capture';
  site.note(`kill -9 ${name}`);
  await site.kill(name);
  await pause(random() * 1_000);
  if (name === 'T1') await site.startTill(name);
  else await site.start(name);
}

async function lose({ site }: FaultContext, desk: Desk): Promise<void> {
  const what = desk.oneOf(LOSSES) ?? 'slot dropped';
  site.note(`DBA: ${what}`);
  const slot = slotName(PREFIX);
  if (what === 'publication dropped') {
    await desk.carryOut(`DROP PUBLICATION "${desk.publication}"`);
    await desk.carryOut(editAllSql(desk));
    await site.must('setup');
    return;
  }
  await site.kill('capture');
  await desk.carryOut(editSql(desk, 'order_items'));
  await until(() => isFree(desk, slot), 'the walsender is gone');
  const deed =
    what === 'slot advanced'
      ? `pg_replication_slot_advance('${slot}', pg_current_wal_lsn())`
      : `pg_drop_replication_slot('${slot}')`;
  await site.pool.query(`SELECT ${deed}`);
  if (what === 'slot made again')
    await site.pool.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
  if (what === 'slot dropped') await site.must('setup');
  await site.start('capture');
}

/** A walsender lives a little longer than its process. */
async function isFree(desk: Desk, slot: string): Promise<boolean> {
  const active = await desk.number(
    `SELECT count(*) AS n FROM pg_replication_slots WHERE slot_name = '${slot}' AND active`,
  );
  return active === 0;
}

async function noTableHasAState({ pool }: FaultContext['site']): Promise<void> {
  let states: string[] = [];
  await until(
    async () => {
      const { rows } = await pool.query<{ state: string }>(
        `SELECT table_name || ' ' || code AS state FROM payflow_sync.watched_table WHERE code IS NOT NULL`,
      );
      states = rows.map(({ state }) => state);
      return states.length === 0;
    },
    () => `no table has a state: ${states.join()}`,
    { deadlineMs: 180_000, everyMs: 500 },
  );
}
