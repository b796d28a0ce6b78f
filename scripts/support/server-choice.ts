/** In which order a PostgreSQL and a Kafka are looked for on this machine: decisions only, no looking. */

export interface Surroundings {
  /** TEST_DATABASE_URL or TEST_KAFKA_BROKERS. */
  readonly given: string | undefined;
  /** The caller will kill and restart the server, so one that others use is out. */
  readonly own: boolean;
  readonly docker: boolean;
}

export interface KafkaSurroundings extends Surroundings {
  readonly javaMajor: number | undefined;
  readonly maven: boolean;
  /** The broker's jars were fetched before. */
  readonly jars: boolean;
}

export type PostgresWay = { kind: 'given'; url: string } | { kind: 'docker' } | { kind: 'embedded' };
export type KafkaWay = { kind: 'given'; brokers: string } | { kind: 'docker' } | { kind: 'java' };

const JAVA_NEEDED = 17;

/** The ways to try one after the other; the embedded server is always the last. */
export function postgresWays({ given, own, docker }: Surroundings): PostgresWay[] {
  if (isSet(given) && !own) return [{ kind: 'given', url: given }];
  return [...(docker ? [{ kind: 'docker' } as const] : []), { kind: 'embedded' }];
}

/** The ways to try one after the other; none means that something must be installed. */
export function kafkaWays(found: KafkaSurroundings): KafkaWay[] {
  if (isSet(found.given) && !found.own) return [{ kind: 'given', brokers: found.given }];
  const ways: KafkaWay[] = [];
  if (found.docker) ways.push({ kind: 'docker' });
  if ((found.javaMajor ?? 0) >= JAVA_NEEDED && (found.jars || found.maven)) ways.push({ kind: 'java' });
  return ways;
}

/** What stands in the way of a Kafka here, for the one line that people see. */
export function missingForKafka({ javaMajor, maven, jars }: KafkaSurroundings): string {
  const missing: string[] = [];
  if (javaMajor === undefined) missing.push('no Java');
  else if (javaMajor < JAVA_NEEDED) missing.push(`Java ${javaMajor} is older than ${JAVA_NEEDED}`);
  if (!maven && !jars) missing.push('no Maven');
  return `No Kafka: TEST_KAFKA_BROKERS is not set, no Docker engine answers, ${missing.join(', ')}`;
}

/** The major version in what `java -version` prints: 17.0.15 is 17, 1.8.0_392 is 8. */
export function javaMajorVersion(output: string): number | undefined {
  const match = /version "(?:1\.)?(\d+)/.exec(output);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value.trim() !== '';
}
