/**
 * A real Kafka for tests, demo, bench and fault runs: the one TEST_KAFKA_BROKERS names, else one in Docker,
 * else a broker run by the machine's Java.
 */
import kafkajs, { type SASLOptions } from 'kafkajs';
import { PayflowError } from '../../services/shared/errors.ts';
import { sleep } from '../../services/shared/lifecycle.ts';
import { freePort } from '../../services/shared/database/free-port.ts';
import '../../services/shared/log/kafkajs-request-queue.ts';
import { findDocker, kafkaPlan, type DockerEngine } from './docker.ts';
import {
  BROKER_PROPERTIES,
  findJava,
  KAFKA_VERSION,
  LocalKafka,
  newClusterId,
  type KafkaAdmin,
} from './local-kafka.ts';
import { say } from './say.ts';
import { kafkaWays, missingForKafka, type KafkaSurroundings } from './server-choice.ts';

const SHARED_DEADLINE_MS = 15_000;
const PROBE_EVERY_MS = 250;

export interface StartKafkaOptions {
  /** Never the shared broker of TEST_KAFKA_BROKERS: for those who kill and restart it. */
  readonly own?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  /** How long a shared broker may take to answer; one that is just starting needs some seconds. */
  readonly sharedDeadlineMs?: number;
}

export interface RunningKafka {
  /** As in KAFKA_BROKERS: host:port, comma-separated. */
  readonly brokers: string;
  /** Ends a broker that was started here and removes its data; leaves a shared one alone. */
  stop(): Promise<void>;
  /** kill -9. Throws on a shared broker, as `restart` does. */
  kill(): Promise<void>;
  /** Starts again with the same data and port, and waits until it serves. */
  restart(): Promise<void>;
}

/**
 * Finds or starts a broker.
 * @throws PayflowError KAFKA_NOT_FOUND naming what is missing on this machine
 */
export async function startKafka(options: StartKafkaOptions = {}): Promise<RunningKafka> {
  const env = options.env ?? process.env;
  const given = { given: env['TEST_KAFKA_BROKERS'], own: options.own ?? false };
  const shared = kafkaWays({ ...given, docker: false, javaMajor: undefined, maven: false, jars: false })[0];
  if (shared?.kind === 'given') {
    return sharedBroker(shared.brokers, options.sharedDeadlineMs ?? SHARED_DEADLINE_MS);
  }
  const docker = await findDocker();
  const { javaMajor, maven, jars } = findJava(env);
  const found: KafkaSurroundings = {
    ...given,
    docker: docker !== undefined,
    javaMajor,
    maven: maven !== undefined,
    jars,
  };
  let failure: unknown = new PayflowError('KAFKA_NOT_FOUND', missingForKafka(found));
  for (const way of kafkaWays(found)) {
    try {
      if (way.kind === 'docker' && docker !== undefined) return await inDocker(docker, env);
      return await LocalKafka.start((brokers) => answers(brokers));
    } catch (error) {
      if (way.kind === 'docker') say(`Kafka in Docker did not start (${String(error)})`);
      failure = error;
    }
  }
  throw failure;
}

/** A broker of its own, by Java, that can be renewed and moved. @throws PayflowError KAFKA_NOT_FOUND */
export async function startLocalKafka(): Promise<LocalKafka> {
  return LocalKafka.start((brokers) => answers(brokers));
}

/** A broker of its own with users and ACLs, by Java. @throws PayflowError KAFKA_NOT_FOUND */
export async function startKafkaWithUsers(admin: KafkaAdmin): Promise<RunningKafka> {
  const sasl = { mechanism: 'scram-sha-512' as const, ...admin };
  return LocalKafka.start((brokers) => answers(brokers, sasl), admin);
}

async function inDocker(docker: DockerEngine, env: NodeJS.ProcessEnv): Promise<RunningKafka> {
  const hostPort = await freePort();
  const brokers = `${docker.host}:${hostPort}`;
  const plan = kafkaPlan({
    image: env['TEST_KAFKA_IMAGE'] ?? `apache/kafka:${KAFKA_VERSION}`,
    hostPort,
    host: docker.host,
    clusterId: newClusterId(),
    properties: BROKER_PROPERTIES,
  });
  const server = await docker.run(plan, () => answers(brokers));
  return {
    brokers,
    stop: () => server.stop(),
    kill: () => server.kill('SIGKILL'),
    restart: () => server.restart(),
  };
}

async function sharedBroker(brokers: string, deadlineMs: number): Promise<RunningKafka> {
  const deadline = Date.now() + deadlineMs;
  while (!(await answers(brokers))) {
    if (Date.now() > deadline) {
      throw new PayflowError('LOG_UNREACHABLE', `No Kafka answers at TEST_KAFKA_BROKERS=${brokers}`);
    }
    await sleep(PROBE_EVERY_MS);
  }
  const refuse = async () => {
    throw new PayflowError('USAGE', 'The Kafka of TEST_KAFKA_BROKERS is shared: ask for an own one');
  };
  return { brokers, stop: async () => undefined, kill: refuse, restart: refuse };
}

/** Whether the broker serves clients; every failure means not yet. */
async function answers(brokers: string, sasl?: SASLOptions): Promise<boolean> {
  const client = new kafkajs.Kafka({
    clientId: 'payflow-probe',
    ...(sasl === undefined ? {} : { sasl }),
    brokers: brokers.split(','),
    connectionTimeout: 2000,
    requestTimeout: 3000,
    retry: { retries: 0 },
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = client.admin();
  try {
    await admin.connect();
    const { controller } = await admin.describeCluster();
    return controller !== null && controller >= 0;
  } catch {
    return false;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
