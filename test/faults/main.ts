/**
 * `scripts/test faults --rounds N --seed S [--only TEXT]`: real processes, real Kafka, real PostgreSQL; one
 * fault at a time under load, each round with a seed of its own. Prints a line per round and exits 1 when
 * any of them lost, doubled or changed something.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startKafka, type RunningKafka } from '../../scripts/support/kafka.ts';
import { startPostgres, type RunningPostgres } from '../../scripts/support/postgres.ts';
import { enterShop, seededRandom } from '../../scripts/support/shop.ts';
import { Site } from '../../scripts/support/site.ts';
import { until } from '../../scripts/support/until.ts';
import { withReleasers } from '../../services/shared/lifecycle.ts';
import { CommitProxy } from './commit-proxy.ts';
import { FAULTS, type Fault } from './faults.ts';
import { Load } from './load.ts';
import { assertConsistent } from './verdict.ts';

const SETTLE_DEADLINE_MS = 180_000;
const TILLS = [
  { id: 'T1', store: '1' },
  { id: 'T2', store: '1' },
  { id: 'T3', store: '2' },
];

interface Arguments {
  readonly rounds: number;
  readonly seed: number;
  readonly only: string;
}

function readArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string', default: '1' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      only: { type: 'string', default: '' },
    },
  });
  return { rounds: Number(values.rounds), seed: Number(values.seed), only: values.only };
}

async function playRound(fault: Fault, seed: number): Promise<{ sales: number; seconds: number }> {
  const started = Date.now();
  const folder = mkdtempSync(join(tmpdir(), 'payflow-faults-'));
  return withReleasers(async (onRelease) => {
    onRelease(() => rmSync(folder, { recursive: true, force: true }));
    const postgres = await startPostgres({ own: true });
    onRelease(() => postgres.stop());
    const kafka = await startKafka({ own: true });
    onRelease(() => kafka.stop());
    const site = await startSite(fault, { postgres, kafka, folder });
    onRelease(() => site.stop());
    const commits = await CommitProxy.start(addressOf(postgres.url));
    onRelease(() => commits.stop());
    const random = seededRandom(seed);
    try {
      return await play(fault, { site, kafka, postgres, commits, random, seed, started });
    } catch (error) {
      const report = join(tmpdir(), `payflow-fault-${seed}.log`);
      writeFileSync(report, site.output.join('\n'));
      throw new Error(
        `${error instanceof Error ? error.message : String(error)} (output of the processes: ${report})`,
        { cause: error },
      );
    }
  });
}

interface Play {
  readonly site: Site;
  readonly kafka: RunningKafka;
  readonly postgres: RunningPostgres;
  readonly commits: CommitProxy;
  readonly random: () => number;
  readonly seed: number;
  readonly started: number;
}

async function play(fault: Fault, context: Play): Promise<{ sales: number; seconds: number }> {
  const { site, commits, random, seed, started } = context;
  site.routeDatabase('apply', commits.port);
  for (const service of ['capture', 'apply', 'gateway']) await site.start(service);
  for (const till of TILLS) await site.startTill(till.id);
  for (const till of TILLS)
    await until(() => site.localCount(till.id, 'products') >= 50, `${till.id} has the catalog`);
  const load = new Load({ site, seed, pauseMs: 30 });
  load.start();
  const before = 20 + Math.floor(random() * 60);
  await until(() => load.soldSoFar >= before, `${before} sales before the fault`);
  await fault.make({ ...context, load });
  await until(() => load.soldSoFar >= before + 60, 'sales after the fault');
  const journal = await load.stop();
  await assertConsistent(site, journal, SETTLE_DEADLINE_MS);
  return { sales: journal.sales.size, seconds: Math.round((Date.now() - started) / 1000) };
}

interface Place {
  readonly postgres: RunningPostgres;
  readonly kafka: RunningKafka;
  readonly folder: string;
}

async function startSite({ beforeSetup }: Fault, { postgres, kafka, folder }: Place): Promise<Site> {
  const site = await Site.prepare({
    databaseUrl: postgres.url,
    brokers: kafka.brokers,
    folder,
    tills: TILLS,
    env: { RESEND_AFTER: '3s' },
    beforeSetup,
  });
  await enterShop(site.pool, { stores: 2, products: 50, customers: 5 });
  return site;
}

function addressOf(url: string): { host: string; port: number } {
  const parsed = new URL(url);
  return { host: parsed.hostname, port: Number(parsed.port) };
}

const { rounds, seed, only } = readArguments(process.argv.slice(2));
const chosen = FAULTS.filter((fault) => fault.name.includes(only));
let passed = 0;
let failed = 0;
for (let round = 0; round < rounds; round += 1) {
  for (const [index, fault] of chosen.entries()) {
    const own = seed + round * 100 + index;
    try {
      const { sales, seconds } = await playRound(fault, own);
      passed += 1;
      console.log(
        `ok      ${fault.name}, seed ${own}: ${sales} sales, each exactly once, both sides equal (${seconds} s)`,
      );
    } catch (error) {
      failed += 1;
      console.log(
        `FAILED  ${fault.name}, seed ${own}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed === 0 ? 0 : 1);
