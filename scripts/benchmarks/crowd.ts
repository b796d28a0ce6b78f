/**
 * Many tills, and one installation that sends whatever harms in a loop: how long the sales of the others take from the
 * log to the centre, without and with it, by turns in one run. Those that share its partition are timed apart: it can
 * harm nobody more. The tills are only keys and chains of units; what they load is central-apply, a real process.
 */
import pino from 'pino';
import { KafkaLog } from '../../services/shared/log/kafka-log.ts';
import { DEFAULT_UP_PARTITIONS, upStream } from '../../services/shared/log/topics.ts';
import { makeKeyPair, readPrivateKey } from '../../services/shared/records/signature.ts';
import { FakeTill, insert } from '../../test/support/centre.ts';
import { HOSTILE_KINDS, HostileTill } from '../../test/support/hostile-till.ts';
import { sleep } from '../../services/shared/lifecycle.ts';
import { enterShop } from '../support/shop.ts';
import type { Site } from '../support/site.ts';
import { until } from '../support/until.ts';
import { median, percentile, ratioOf, type Figure } from './figures.ts';

export interface CrowdOptions {
  readonly site: Site;
  readonly brokers: string;
  readonly tills: number;
  /** Sales that are timed in each half of a round, without hostile tills and with them. */
  readonly samples: number;
  readonly say: (line: string) => void;
}

const PREFIX = 'payflow';
/** Between two sales of the whole crowd, and between two records that harm. */
const SALE_EVERY_MS = 20;
const HARM_EVERY_MS = 10;
/** The figures are medians over them: one slow fsync of the machine is nobody's harm. */
const ROUNDS = 5;
const HOSTILE_PARTITION = 0;
/** Sales before any is timed: a process that has just started is slow for another reason. */
const WARM_UP = 150;

interface CrowdTill {
  readonly till: FakeTill;
  readonly partition: number;
}

/** ms from the append of each sale to its commit at the centre. */
interface Timed {
  readonly neighbours: number[];
  readonly others: number[];
}

interface Round {
  readonly alone: Timed;
  readonly beside: Timed;
}

export async function benchCrowd({ site, brokers, tills, samples, say }: CrowdOptions): Promise<Figure[]> {
  const connect = (clientId: string) =>
    new KafkaLog({ brokers: brokers.split(','), clientId, log: pino({ level: 'silent' }) });
  const [eventLog, hostileLog] = [connect('payflow-bench'), connect('payflow-bench-hostile')];
  try {
    await enterShop(site.pool, { stores: 2, products: 50, customers: 10 });
    await site.start('apply');
    const crowd = await registerCrowd(site, tills);
    const hostile = hostileTills(crowd);
    const terminals = hostile.map(({ terminal }) => terminal);
    await timeSales({ site, eventLog, crowd, samples: WARM_UP });
    const rounds: Round[] = [];
    for (let round = 1; round <= ROUNDS; round += 1) {
      say(
        `round ${round} of ${ROUNDS}: ${samples} sales of ${crowd.length} tills, without harm and beside it`,
      );
      const alone = await timeSales({ site, eventLog, crowd, samples });
      const stop = new AbortController();
      const harm = doHarm({ eventLog: hostileLog, hostile, signal: stop.signal });
      const beside = await timeSales({ site, eventLog, crowd, samples });
      stop.abort();
      say(`${await harm} records that harm were sent`);
      rounds.push({ alone, beside });
      await untilWorkedOff(site, terminals);
    }
    return [
      ...figures(rounds, 'neighbours', 'tills of its partition'),
      ...figures(rounds, 'others', 'others'),
    ];
  } finally {
    await eventLog.close();
    await hostileLog.close();
  }
}

function figures(rounds: readonly Round[], of: keyof Timed, name: string): Figure[] {
  return [0.5, 0.95].flatMap((share): Figure[] => {
    const title = `↑ log → centre, ${name}, p${share * 100}`;
    const before = rounds.map(({ alone }) => percentile(alone[of], share));
    const with_ = rounds.map(({ beside }) => percentile(beside[of], share));
    const ratios = with_.map((value, round) => value / (before[round] ?? Number.NaN));
    return [
      { name: title, value: median(before), unit: 'ms' },
      {
        name: `${title}, beside a hostile one`,
        value: median(with_),
        unit: 'ms',
        ratio: ratioOf('of it', median(ratios), 1, { most: 2 }),
      },
    ];
  });
}

/** The next round's sales are to be alone. What waits for an operator is not worked off. */
async function untilWorkedOff({ pool }: Site, terminals: readonly string[]): Promise<void> {
  const left = async () => {
    const { rows } = await pool.query<{ left: number }>(
      `SELECT count(*)::integer AS left FROM payflow_sync.held h
        WHERE h.reason = 'centre' AND h.terminal_id = ANY ($1) AND NOT EXISTS (
          SELECT FROM payflow_sync.hold w WHERE w.terminal_id = h.terminal_id AND w.code = 'REFUSED_TOO_MUCH')`,
      [terminals],
    );
    return rows[0]?.left ?? 0;
  };
  await until(
    async () => (await left()) === 0,
    async () => `${await left()} records of hostile tills are worked off`,
    { deadlineMs: 300_000, everyMs: 250 },
  );
}

async function registerCrowd(site: Site, count: number): Promise<CrowdTill[]> {
  const { rows } = await site.pool.query<{ value: string }>(
    `SELECT value FROM payflow_sync.meta WHERE name = 'database_id'`,
  );
  const crowd: CrowdTill[] = [];
  for (let index = 0; index < count; index += 1) {
    const { publicKey, privateKey } = makeKeyPair();
    const id = `crowd-${index}`;
    const partition = index % DEFAULT_UP_PARTITIONS;
    await site.pool.query(
      `INSERT INTO payflow_sync.terminal (terminal_id, store_id, up_partition, status, public_key, key_version)
       VALUES ($1, $2, $3, 'enrolled', $4, 1)`,
      [id, String(1 + (index % 2)), partition, publicKey],
    );
    const till = new FakeTill(id, readPrivateKey(privateKey));
    till.databaseId = rows[0]?.value ?? '';
    crowd.push({ till, partition });
  }
  return crowd;
}

/** By turns one of a till that shares the hostile one's partition and one of another. */
async function timeSales({
  site,
  eventLog,
  crowd,
  samples,
}: {
  site: Site;
  eventLog: KafkaLog;
  crowd: readonly CrowdTill[];
  samples: number;
}): Promise<Timed> {
  const taken: Timed = { neighbours: [], others: [] };
  const neighbours = crowd.filter(({ partition }) => partition === HOSTILE_PARTITION);
  const others = crowd.filter(({ partition }) => partition !== HOSTILE_PARTITION);
  const appended: Promise<unknown>[] = [];
  const waiting = new Map<string, { number: number; sentAt: number; among: number[] }>();
  const look = async () => {
    const { rows } = await site.pool.query<{ terminal_id: string; last_unit: string }>(
      'SELECT terminal_id, last_unit FROM payflow_sync.progress WHERE terminal_id = ANY ($1)',
      [[...waiting.keys()]],
    );
    for (const { terminal_id: terminal, last_unit: last } of rows) {
      const sale = waiting.get(terminal);
      if (sale === undefined || Number(last) < sale.number) continue;
      sale.among.push(performance.now() - sale.sentAt);
      waiting.delete(terminal);
    }
  };
  for (let sold = 0; sold < samples; sold += 1) {
    const isNeighbour = sold % 2 === 0;
    const tills = isNeighbour ? neighbours : others;
    const { till, partition } = tills[(sold >> 1) % tills.length] as CrowdTill;
    await until(
      async () => {
        if (waiting.size > 0) await look();
        return !waiting.has(till.terminal);
      },
      `the last sale of ${till.terminal} is applied`,
      { everyMs: 5 },
    );
    const unit = till.unit(...sale(till.terminal, sold));
    const among = isNeighbour ? taken.neighbours : taken.others;
    waiting.set(till.terminal, { number: unit.number, sentAt: performance.now(), among });
    const { key, value, headers } = till.stored(0, [unit]);
    appended.push(eventLog.append(upStream(PREFIX, partition), [{ key, value, headers }]));
    const next = performance.now() + SALE_EVERY_MS;
    await until(
      async () => {
        await look();
        return performance.now() >= next;
      },
      'the next sale is due',
      { everyMs: 2 },
    );
  }
  await until(
    async () => {
      await look();
      return waiting.size === 0;
    },
    'all sales are applied',
    { everyMs: 5 },
  );
  await Promise.all(appended);
  return taken;
}

function sale(terminal: string, n: number) {
  const order = `${terminal}-o-${n}-${Math.random()}`;
  return [
    insert('orders', order, {
      order_number: order,
      status: 'completed',
      subtotal: '10.00',
      total: '10.00',
      sold_at: BigInt(Date.now()),
    }),
    insert(
      'payments',
      `${order}-p`,
      { method: 'cash', amount_cents: 1000n, paid_at: BigInt(Date.now()) },
      { order_id: order },
    ),
  ];
}

interface Hostile {
  readonly terminal: string;
  readonly till: HostileTill;
  readonly partition: number;
}

/** Takes them out of the crowd. One for each kind: a gap in the chain of one would keep its refused rows from being tried. */
function hostileTills(crowd: CrowdTill[]): Hostile[] {
  return Object.values(HOSTILE_KINDS).map((kinds) => {
    const at = crowd.findIndex(({ partition }) => partition === HOSTILE_PARTITION);
    const [taken] = crowd.splice(at, 1);
    if (taken === undefined) throw new Error('too few tills');
    return {
      terminal: taken.till.terminal,
      till: new HostileTill(taken.till, kinds),
      partition: taken.partition,
    };
  });
}

/** Sends by turns, in one loop. @returns how many records were sent */
async function doHarm({
  eventLog,
  hostile,
  signal,
}: {
  eventLog: KafkaLog;
  hostile: readonly Hostile[];
  signal: AbortSignal;
}): Promise<number> {
  for (let sent = 0; ; sent += 1) {
    const next = hostile[sent % hostile.length];
    if (next === undefined || signal.aborted) return sent;
    await eventLog.append(upStream(PREFIX, next.partition), [next.till.next()]);
    await sleep(HARM_EVERY_MS);
  }
}
