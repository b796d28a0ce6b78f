/** Each fault: what is done to a working installation under load. Afterwards everything runs again. */
import type pg from 'pg';
import { builtProgram } from '../../scripts/support/built.ts';
import type { RunningKafka } from '../../scripts/support/kafka.ts';
import type { RunningPostgres } from '../../scripts/support/postgres.ts';
import type { Site } from '../../scripts/support/site.ts';
import type { CommitProxy } from './commit-proxy.ts';
import { DBA_FAULTS } from './dba/dba-fault.ts';
import { harmedBy } from './hostile.ts';
import { FILE_FAULTS } from './file-faults.ts';
import type { Load } from './load.ts';

export interface FaultContext {
  readonly site: Site;
  readonly kafka: RunningKafka;
  readonly postgres: RunningPostgres;
  /** Stands between central-apply and PostgreSQL. */
  readonly commits: CommitProxy;
  readonly random: () => number;
  readonly load: Load;
}

export interface Fault {
  readonly name: string;
  /** Makes the centre another one than the reference schema. */
  readonly beforeSetup?: ((pool: pg.Pool) => Promise<void>) | undefined;
  make(context: FaultContext): Promise<void>;
}

const TILL = 'T1';

function killed(service: string): Fault {
  return {
    name: `kill -9 ${service}`,
    async make({ site }) {
      await site.kill(service);
      await site.start(service);
    },
  };
}

export const FAULTS: readonly Fault[] = [
  killed('capture'),
  killed('apply'),
  killed('gateway'),
  {
    name: 'kill -9 agent',
    async make({ site }) {
      await site.kill(TILL);
      await site.startTill(TILL);
    },
  },
  {
    name: 'kill -9 agent between publishing and remembering it',
    async make({ site, random }) {
      await site.kill(TILL);
      const program = builtProgram('test', 'faults', 'dying-agent.js');
      await site.runInPlaceOf(TILL, program, { DIE_AT_APPEND: String(1 + Math.floor(random() * 4)) });
      await site.startTill(TILL);
    },
  },
  {
    name: 'kill -9 apply between the commit and anything after it',
    async make({ site, commits }) {
      await new Promise<void>((resolve) => commits.loseNextCommit(resolve));
      await site.kill('apply');
      await site.start('apply');
    },
  },
  {
    name: 'reply of a commit lost',
    make: ({ commits }) => new Promise<void>((resolve) => commits.loseNextCommit(resolve)),
  },
  {
    name: 'kill -9 broker',
    async make({ kafka }) {
      await kafka.kill();
      await kafka.restart();
    },
  },
  {
    name: 'PostgreSQL stopped immediately',
    async make({ postgres }) {
      await postgres.stopImmediately();
      await postgres.restart();
    },
  },
  {
    name: 'hostile tills, and kill -9 apply meanwhile',
    async make({ site, kafka }) {
      await harmedBy({ site, brokers: kafka.brokers, records: 400 }, async () => {
        await site.kill('apply');
        await site.start('apply');
      });
    },
  },
  ...FILE_FAULTS,
  ...DBA_FAULTS,
];
