/**
 * Servers in containers, by testcontainers. Its reaper removes a container whose starter died. The host port
 * is chosen by us and fixed, so that a restarted container is found again at the same address.
 */
import type * as testcontainers from 'testcontainers';
import { until } from './until.ts';

const START_DEADLINE_MS = 180_000;

export interface ContainerPlan {
  readonly image: string;
  readonly containerPort: number;
  readonly hostPort: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
}

export interface PostgresPlanOptions {
  readonly image: string;
  readonly hostPort: number;
  readonly password: string;
  readonly flags: readonly string[];
}

export interface KafkaPlanOptions {
  readonly image: string;
  readonly hostPort: number;
  /** Where the Docker engine's published ports are reached from here. */
  readonly host: string;
  readonly clusterId: string;
  readonly properties: Readonly<Record<string, string | number | boolean>>;
}

const KAFKA_PORT = 9092;
const POSTGRES_PORT = 5432;

export function postgresPlan({ image, hostPort, password, flags }: PostgresPlanOptions): ContainerPlan {
  return {
    image,
    containerPort: POSTGRES_PORT,
    hostPort,
    environment: { POSTGRES_PASSWORD: password },
    command: ['postgres', ...flags],
  };
}

/**
 * One node that is broker and controller. Clients on the host get the host's address; the broker talks to
 * itself over a listener inside the container, where the host's address leads nowhere.
 */
export function kafkaPlan({ image, hostPort, host, clusterId, properties }: KafkaPlanOptions): ContainerPlan {
  const all: Record<string, string | number | boolean> = {
    ...properties,
    'node.id': 1,
    'process.roles': 'broker,controller',
    'controller.quorum.voters': '1@127.0.0.1:9093',
    listeners: `HOST://0.0.0.0:${KAFKA_PORT},INTERNAL://127.0.0.1:9094,CONTROLLER://127.0.0.1:9093`,
    'advertised.listeners': `HOST://${host}:${hostPort},INTERNAL://127.0.0.1:9094`,
    'listener.security.protocol.map': 'HOST:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'INTERNAL',
    'controller.listener.names': 'CONTROLLER',
  };
  const environment: Record<string, string> = { CLUSTER_ID: clusterId, KAFKA_HEAP_OPTS: '-Xmx512m' };
  for (const [name, value] of Object.entries(all)) environment[kafkaVariable(name)] = String(value);
  return { image, containerPort: KAFKA_PORT, hostPort, environment };
}

/** The image's way to spell a property as an environment variable. */
function kafkaVariable(property: string): string {
  const spelt = property.replaceAll('_', '__').replaceAll('-', '___').replaceAll('.', '_');
  return `KAFKA_${spelt.toUpperCase()}`;
}

export interface DockerEngine {
  /** Where published ports are reached. */
  readonly host: string;
  run(plan: ContainerPlan, answers: () => Promise<boolean>): Promise<DockerServer>;
}

/** The engine, or undefined where there is none or testcontainers is not installed (as in production). */
export async function findDocker(): Promise<DockerEngine | undefined> {
  let library: typeof testcontainers;
  let host: string;
  try {
    library = await import('testcontainers');
    host = (await library.getContainerRuntimeClient()).info.containerRuntime.host;
  } catch {
    return undefined;
  }
  return {
    host,
    run: async (plan, answers) => {
      const container = new library.GenericContainer(plan.image)
        .withEnvironment(plan.environment)
        .withExposedPorts({ container: plan.containerPort, host: plan.hostPort })
        .withStartupTimeout(START_DEADLINE_MS);
      if (plan.command !== undefined) container.withCommand([...plan.command]);
      const started = await container.start();
      const server = new DockerServer(started, library, answers);
      try {
        await server.ready();
      } catch (error) {
        await server.stop();
        throw error;
      }
      return server;
    },
  };
}

export class DockerServer {
  readonly #container: testcontainers.StartedTestContainer;
  readonly #library: typeof testcontainers;
  readonly #answers: () => Promise<boolean>;

  constructor(
    container: testcontainers.StartedTestContainer,
    library: typeof testcontainers,
    answers: () => Promise<boolean>,
  ) {
    this.#container = container;
    this.#library = library;
    this.#answers = answers;
  }

  async ready(): Promise<void> {
    await until(this.#answers, 'the server in the container answers', {
      deadlineMs: START_DEADLINE_MS,
      everyMs: 100,
    });
  }

  /** The container's main process gets the signal; its data stays for `restart`. */
  async kill(signal: 'SIGKILL' | 'SIGQUIT'): Promise<void> {
    const client = await this.#library.getContainerRuntimeClient();
    const container = client.container.getById(this.#container.getId());
    await container.kill({ signal });
    await container.wait({ condition: 'not-running' });
  }

  async restart(): Promise<void> {
    await this.#container.restart();
    await this.ready();
  }

  async stop(): Promise<void> {
    await this.#container.stop({ remove: true, removeVolumes: true });
  }
}
