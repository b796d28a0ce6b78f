/**
 * An official Apache Kafka broker run by the machine's Java: one KRaft node, broker and controller in one,
 * with its data in a temporary folder. The jars come from Maven Central once and are kept.
 */
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { PayflowError } from '../../services/shared/errors.ts';
import { freePort } from '../../services/shared/database/free-port.ts';
import { packageRoot } from '../../services/shared/paths.ts';
import { ServerProcess } from '../../services/shared/database/server-process.ts';
import { say } from './say.ts';
import { javaMajorVersion } from './server-choice.ts';

export const KAFKA_VERSION = '4.3.0';
const START_DEADLINE_MS = 90_000;
const RECORD_LIMIT_BYTES = 16 * 1024 * 1024;

/** Of a broker that is alone, starts fast and whose cleaning a test can wait for. */
export const BROKER_PROPERTIES: Readonly<Record<string, string | number | boolean>> = {
  'auto.create.topics.enable': false,
  // After a kill -9 the broker must wait for its earlier self to be given up before it is let in again.
  'broker.session.timeout.ms': 3000,
  'broker.heartbeat.interval.ms': 500,
  'group.initial.rebalance.delay.ms': 0,
  'message.max.bytes': RECORD_LIMIT_BYTES,
  'replica.fetch.max.bytes': RECORD_LIMIT_BYTES,
  'offsets.topic.replication.factor': 1,
  'offsets.topic.num.partitions': 4,
  'transaction.state.log.replication.factor': 1,
  'transaction.state.log.min.isr': 1,
  'transaction.state.log.num.partitions': 4,
  'share.coordinator.state.topic.replication.factor': 1,
  'share.coordinator.state.topic.min.isr': 1,
  'share.coordinator.state.topic.num.partitions': 4,
  'log.initial.task.delay.ms': 1000,
  'log.retention.check.interval.ms': 5000,
  'log.cleaner.backoff.ms': 1000,
  'log.cleaner.dedupe.buffer.size': RECORD_LIMIT_BYTES,
};

export interface JavaTools {
  readonly java: string | undefined;
  readonly javaMajor: number | undefined;
  readonly maven: string | undefined;
  readonly jars: boolean;
}

/** Looks for Java, Maven and jars that were fetched before; fetches nothing. */
export function findJava(env: NodeJS.ProcessEnv = process.env): JavaTools {
  const home = env['JAVA_HOME'];
  const candidates = [...(home === undefined ? [] : [join(home, 'bin', 'java')]), 'java'];
  for (const java of candidates) {
    const result = spawnSync(java, ['-version'], { encoding: 'utf8' });
    const javaMajor = result.status === 0 ? javaMajorVersion(result.stderr + result.stdout) : undefined;
    if (javaMajor !== undefined)
      return { java, javaMajor, maven: findMaven(), jars: existsSync(jarFolder()) };
  }
  return { java: undefined, javaMajor: undefined, maven: findMaven(), jars: existsSync(jarFolder()) };
}

function findMaven(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, 'mvn')).find((file) => existsSync(file));
}

/** @returns the random id that a new cluster is formatted with; never one that looks like an option to its tool */
export function newClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? newClusterId() : id;
}

/** A broker that knows users (SCRAM-SHA-512) and refuses what no ACL allows; this one may do everything. */
export interface KafkaAdmin {
  readonly username: string;
  readonly password: string;
}

export interface BrokerPorts {
  /** For clients. */
  readonly port: number;
  readonly controllerPort: number;
  /** Of a broker with users: for the broker itself, on loopback, without any. */
  readonly internalPort?: number | undefined;
}

/** The text of server.properties for one node on loopback. */
export function brokerProperties(ports: BrokerPorts, folder: string, admin?: KafkaAdmin): string {
  const { port, controllerPort, internalPort } = ports;
  const listeners =
    admin === undefined || internalPort === undefined
      ? { PLAINTEXT: port }
      : { CLIENTS: port, INTERNAL: internalPort };
  const addresses = Object.entries(listeners).map(([name, at]) => `${name}://127.0.0.1:${at}`);
  const all = {
    ...BROKER_PROPERTIES,
    'node.id': 1,
    'process.roles': 'broker,controller',
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}`,
    listeners: [...addresses, `CONTROLLER://127.0.0.1:${controllerPort}`].join(','),
    'advertised.listeners': addresses.join(','),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map':
      'PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENTS:SASL_PLAINTEXT',
    'inter.broker.listener.name': admin === undefined ? 'PLAINTEXT' : 'INTERNAL',
    'log.dirs': dataIn(folder),
    ...(admin === undefined ? {} : userProperties(admin)),
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function userProperties({ username }: KafkaAdmin) {
  return {
    'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'listener.name.clients.scram-sha-512.sasl.jaas.config':
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // Who comes by the internal listener is the broker itself.
    'super.users': `User:${username};User:ANONYMOUS`,
  };
}

const QUIET = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';

const propertiesIn = (folder: string) => join(folder, 'server.properties');
const dataIn = (folder: string) => join(folder, 'data');

interface Broker {
  readonly java: string;
  readonly classpath: string;
  readonly folder: string;
  readonly controllerPort: number;
  readonly internalPort: number;
  readonly admin: KafkaAdmin | undefined;
  readonly answers: (brokers: string) => Promise<boolean>;
}

export class LocalKafka {
  readonly #server: ServerProcess;
  readonly #broker: Broker;
  #port: number;

  private constructor(broker: Broker, port: number) {
    this.#broker = broker;
    this.#port = port;
    const { java, classpath, folder } = broker;
    this.#server = new ServerProcess({
      name: 'Kafka',
      command: java,
      args: ['-Xmx512m', QUIET, '-cp', classpath, 'kafka.Kafka', propertiesIn(folder)],
      logFile: join(folder, 'kafka.log'),
      temporaryFolder: folder,
      orphanSignal: 'KILL',
    });
  }

  /** @param answers whether a broker at this address serves clients */
  static async start(
    answers: (brokers: string) => Promise<boolean>,
    admin?: KafkaAdmin,
  ): Promise<LocalKafka> {
    const { java, maven } = findJava();
    if (java === undefined) throw new PayflowError('KAFKA_NOT_FOUND', 'There is no Java');
    const classpath = join(await fetchJars(maven), '*');
    const folder = await mkdtemp(join(tmpdir(), 'payflow-kafka-'));
    const [port, controllerPort, internalPort] = [await freePort(), await freePort(), await freePort()];
    const kafka = new LocalKafka(
      { java, classpath, folder, controllerPort, internalPort, admin, answers },
      port,
    );
    try {
      await kafka.renew();
    } catch (error) {
      await kafka.stop();
      throw error;
    }
    return kafka;
  }

  get brokers(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Another cluster, empty, at the same address. */
  async renew(): Promise<void> {
    const { java, classpath, folder, admin } = this.#broker;
    await this.kill();
    await rm(dataIn(folder), { recursive: true, force: true });
    await this.#writeProperties();
    const users = admin === undefined ? [] : ['--add-scram', scramCredential(admin)];
    const format = ['format', '--standalone', '-t', newClusterId(), '-c', propertiesIn(folder), ...users];
    await promisify(execFile)(java, [QUIET, '-cp', classpath, 'kafka.tools.StorageTool', ...format]);
    await this.restart();
  }

  /** The same cluster at another port. */
  async moveTo(port: number): Promise<void> {
    await this.kill();
    this.#port = port;
    await this.#writeProperties();
    await this.restart();
  }

  async #writeProperties(): Promise<void> {
    const { folder, controllerPort, internalPort, admin } = this.#broker;
    const ports = { port: this.#port, controllerPort, internalPort };
    await writeFile(propertiesIn(folder), brokerProperties(ports, folder, admin));
  }

  async kill(): Promise<void> {
    await this.#server.end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.#server.start(() => this.#broker.answers(this.brokers), START_DEADLINE_MS);
  }

  async stop(): Promise<void> {
    await this.#server.dispose('SIGKILL');
  }
}

function scramCredential({ username, password }: KafkaAdmin): string {
  return `SCRAM-SHA-512=[name=${username},password=${password}]`;
}

/** Runs one of Kafka's own tools. @param tool its class @returns what it printed */
export async function runKafkaTool(tool: string, args: readonly string[], cwd: string): Promise<string> {
  const { java, maven } = findJava();
  if (java === undefined) throw new PayflowError('KAFKA_NOT_FOUND', 'There is no Java');
  const classpath = join(await fetchJars(maven), '*');
  const { stdout } = await promisify(execFile)(java, ['-cp', classpath, tool, ...args], { cwd });
  return stdout;
}

/** Beside the package where that is writable, else in the user's cache. */
function jarFolder(): string {
  const name = `kafka-${KAFKA_VERSION}`;
  const beside = join(packageRoot(), '.cache', name);
  if (existsSync(beside)) return beside;
  try {
    accessSync(packageRoot(), constants.W_OK);
    return beside;
  } catch {
    return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'payflow-sync', name);
  }
}

async function fetchJars(maven: string | undefined): Promise<string> {
  const folder = jarFolder();
  if (existsSync(folder)) return folder;
  if (maven === undefined) throw new PayflowError('KAFKA_NOT_FOUND', 'There is no Maven to fetch Kafka with');
  say(`fetching Apache Kafka ${KAFKA_VERSION} from Maven Central (44 MB, once)`);
  mkdirSync(join(folder, '..'), { recursive: true });
  const partial = await mkdtemp(`${folder}-`);
  try {
    const pom = join(packageRoot(), 'scripts', 'support', 'kafka', 'pom.xml');
    await promisify(execFile)(maven, [
      ...['-q', '-B', '-f', pom, 'dependency:copy-dependencies'],
      `-DoutputDirectory=${partial}`,
    ]);
    // Whoever else fetched at the same time has put the same jars there.
    if (!existsSync(folder)) await rename(partial, folder);
  } catch (error) {
    if (!existsSync(folder)) throw mavenFailure(error);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return folder;
}

function mavenFailure(error: unknown): PayflowError {
  const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
  const line = output.split('\n').find((text) => text.includes('ERROR')) ?? output;
  return new PayflowError('KAFKA_NOT_FOUND', `Maven could not fetch Kafka: ${line.trim()}`, { cause: error });
}
