/** `scripts/test`: checks, then unit, integration and end-to-end tests on a real PostgreSQL and Kafka. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errorLine, PayflowError } from '../services/shared/errors.ts';
import { withReleasers } from '../services/shared/lifecycle.ts';
import { packageRoot } from '../services/shared/paths.ts';
import { builtProgram } from './support/built.ts';
import { startKafka } from './support/kafka.ts';
import { startPostgres } from './support/postgres.ts';
import { SERIES_VARIABLE } from './support/postgres-series.ts';
import { say } from './support/say.ts';
import {
  addTotals,
  NO_TOTALS,
  parseTestArgs,
  pathsOf,
  runsOnServers,
  runTotals,
  TEST_HELP,
  totalsLine,
  vitestOptions,
  type Part,
  type TestPlan,
  type Totals,
} from './support/test-plan.ts';

const ROOT = packageRoot();
const KAFKA_TESTS = '.kafka.test.ts';
/** Files of tests on a PostgreSQL that run at once, on as many servers: they wait about half of their time. */
const FILES_AT_ONCE = 2;

type Tests = Extract<TestPlan, { kind: 'tests' }>;

/** What every program that is run gets. */
interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by Ctrl-C: the running program is ended, then the servers. */
  readonly signal: AbortSignal;
}

async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const plan = parseTestArgs(args);
  const env = { ...process.env };
  switch (plan.kind) {
    case 'help':
      process.stdout.write(TEST_HELP);
      return 0;
    case 'faults':
      return (await run(builtProgram('test', 'faults', 'main.js'), plan.args, { env, signal })) ?? 1;
    case 'tests':
      return withReleasers(async (onRelease) => {
        Object.assign(env, await startServers(plan, onRelease));
        const totals = await runAllParts(plan, { env, signal });
        if (!plan.kafka) sayUntested(plan.parts);
        process.stdout.write(`${totalsLine(totals)}\n`);
        return totals.failed === 0 ? 0 : 1;
      });
  }
}

/** @returns the environment by which the test files find the servers, started once for all of them */
async function startServers(
  plan: Tests,
  onRelease: (undo: () => Promise<void>) => void,
): Promise<NodeJS.ProcessEnv> {
  const env: NodeJS.ProcessEnv = {};
  if (plan.parts.every((part) => part === 'unit')) return env;
  if (plan.kafka) {
    const kafka = await startKafka();
    onRelease(() => kafka.stop());
    env['TEST_KAFKA_BROKERS'] = kafka.brokers;
    say(`Kafka is up on ${kafka.brokers}`);
  } else {
    env['PAYFLOW_TEST_NO_KAFKA'] = '1';
    env['TEST_KAFKA_BROKERS'] = '';
  }
  Object.assign(env, seriesOf(plan));
  const urls: string[] = [];
  while (urls.length < serversFor(plan.parts)) {
    const postgres = await startPostgres({ env: { ...process.env, ...env } });
    onRelease(() => postgres.stop());
    urls.push(postgres.adminUrl);
    say(`PostgreSQL is up on ${new URL(postgres.adminUrl).host}`);
  }
  // test/support/server-of-worker.ts takes it apart.
  env['TEST_DATABASE_URLS'] = urls.join(' ');
  return env;
}

/** Files that run at once share no server: where one is given, they run one after the other. */
function serversFor(parts: readonly Part[]): number {
  return !isDatabaseGiven() && parts.some(runsOnServers) ? FILES_AT_ONCE : 1;
}

function isDatabaseGiven(): boolean {
  return (process.env['TEST_DATABASE_URL'] ?? '') !== '';
}

/** Files that start a server of their own start one of that series, too. */
function seriesOf({ postgres }: Tests): NodeJS.ProcessEnv {
  if (postgres === undefined) return {};
  if (isDatabaseGiven()) {
    throw new PayflowError('USAGE', 'TEST_DATABASE_URL names a server: --postgres cannot choose another one');
  }
  return { [SERIES_VARIABLE]: postgres };
}

async function runAllParts(plan: Tests, around: Surroundings): Promise<Totals> {
  let totals = NO_TOTALS;
  if (plan.checks) totals = addTotals(totals, await runChecks(around));
  for (const part of plan.parts) totals = addTotals(totals, await runPart(part, plan, around));
  return totals;
}

/** Format, lint and types. One that fails counts as a failed test; one that passes is no test. */
async function runChecks(around: Surroundings): Promise<Totals> {
  const sources = ['services', 'scripts', 'test'];
  const checks: [string, string, string[]][] = [
    ['format', 'prettier/bin/prettier.cjs', ['--check', '--log-level', 'warn', '.']],
    [
      'lint',
      'eslint/bin/eslint.js',
      ['--config', 'scripts/eslint.config.js', '--max-warnings', '0', ...sources],
    ],
    // The same build as the shims', so that nothing is checked twice.
    [
      'typecheck',
      'typescript/bin/tsc',
      ['-p', 'tsconfig.json', '--incremental', '--tsBuildInfoFile', 'dist/.tsbuildinfo'],
    ],
  ];
  let failed = 0;
  for (const [name, program, args] of checks) {
    const passed = (await run(join(ROOT, 'node_modules', program), args, around)) === 0;
    say(`${name} ${passed ? 'ok' : 'FAILED'}`);
    if (!passed) failed += 1;
  }
  return { ...NO_TOTALS, failed };
}

async function runPart(part: Part, { kafka, isolated }: Tests, around: Surroundings): Promise<Totals> {
  say(`${part} tests`);
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const reportFile = join(ROOT, '.cache', `test-${part}-${process.pid}.json`);
  try {
    const exitCode = await run(
      join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'),
      [
        ...['run', '--config', 'test/vitest.config.ts', '--passWithNoTests'],
        ...['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`],
        ...vitestOptions(part, { servers: serversFor([part]), isolated }),
        ...(kafka ? [] : ['--exclude', `**/*${KAFKA_TESTS}`]),
        ...pathsOf(part),
      ],
      around,
    );
    const report: unknown = existsSync(reportFile) ? JSON.parse(readFileSync(reportFile, 'utf8')) : undefined;
    return runTotals(report, exitCode);
  } finally {
    rmSync(reportFile, { force: true });
  }
}

function sayUntested(parts: readonly Part[]): void {
  const files = parts
    .flatMap((part) => pathsOf(part).flatMap(filesUnder))
    .filter((file) => file.endsWith(KAFKA_TESTS));
  say(`not tested, for want of a Kafka: ${files.length === 0 ? 'nothing' : files.sort().join(', ')}`);
}

function filesUnder(folder: string): string[] {
  if (folder.endsWith('.ts')) return [folder];
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
    join(folder, file),
  );
}

/** @returns the exit code, null when a signal ended it; rejects when we were told to stop */
async function run(program: string, args: readonly string[], around: Surroundings): Promise<number | null> {
  if (!existsSync(program)) throw new PayflowError('USAGE', `There is no ${program}`);
  const child = spawn(process.execPath, [program, ...args], { cwd: ROOT, stdio: 'inherit', ...around });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
try {
  process.exitCode = await main(process.argv.slice(2), stop.signal);
} catch (error) {
  if (stop.signal.aborted) {
    process.exitCode = 130;
  } else {
    process.stderr.write(`${errorLine(error)}\n`);
    process.exitCode = error instanceof PayflowError && error.code === 'USAGE' ? 2 : 3;
  }
}
