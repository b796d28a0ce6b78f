/** Tills with good keys of their own that send whatever harms, beside the honest ones of the round. */
import pino from 'pino';
import type { Site } from '../../scripts/support/site.ts';
import { KafkaLog } from '../../services/shared/log/kafka-log.ts';
import { upStream } from '../../services/shared/log/topics.ts';
import { makeKeyPair, readPrivateKey } from '../../services/shared/records/signature.ts';
import { FakeTill } from '../support/centre.ts';
import { HOSTILE_KINDS, HostileTill } from '../support/hostile-till.ts';

export interface HarmOptions {
  readonly site: Site;
  readonly brokers: string;
  /** How many each of them sends. */
  readonly records: number;
}

/** Sends all of it into the partitions of the honest tills, and does `meanwhile` when half of it is sent. */
export async function harmedBy(options: HarmOptions, meanwhile: () => Promise<void>): Promise<void> {
  const { site, brokers, records } = options;
  const log = new KafkaLog({
    brokers: brokers.split(','),
    clientId: 'hostile',
    log: pino({ level: 'silent' }),
  });
  try {
    const partitions = await usedPartitions(site);
    const tills = await Promise.all(
      Object.values(HOSTILE_KINDS).map(async (kinds, index) => {
        const partition = partitions[index % partitions.length] ?? 0;
        const till = await hostileTill(site, `hostile-${index}`, partition);
        return { hostile: new HostileTill(till, kinds), partition };
      }),
    );
    for (let sent = 0; sent < records; sent += 1) {
      for (const { hostile, partition } of tills) {
        await log.append(upStream('payflow', partition), [hostile.next()]);
      }
      if (sent === Math.floor(records / 2)) await meanwhile();
    }
  } finally {
    await log.close();
  }
}

async function usedPartitions({ pool }: Site): Promise<number[]> {
  const { rows } = await pool.query<{ up_partition: number }>(
    'SELECT DISTINCT up_partition FROM payflow_sync.terminal ORDER BY 1',
  );
  return rows.map((row) => row.up_partition);
}

async function hostileTill({ pool }: Site, terminal: string, partition: number): Promise<FakeTill> {
  const { publicKey, privateKey } = makeKeyPair();
  const { rows } = await pool.query<{ value: string }>(
    `SELECT value FROM payflow_sync.meta WHERE name = 'database_id'`,
  );
  await pool.query(
    `INSERT INTO payflow_sync.terminal (terminal_id, store_id, up_partition, status, public_key, key_version)
     VALUES ($1, '2', $2, 'enrolled', $3, 1)`,
    [terminal, partition, publicKey],
  );
  const till = new FakeTill(terminal, readPrivateKey(privateKey));
  till.databaseId = rows[0]?.value ?? '';
  return till;
}
