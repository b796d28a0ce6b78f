import { describe, expect, it } from 'vitest';
import {
  javaMajorVersion,
  kafkaWays,
  missingForKafka,
  postgresWays,
  type KafkaSurroundings,
} from '../../../scripts/support/server-choice.ts';

const NOTHING: KafkaSurroundings = {
  given: undefined,
  own: false,
  docker: false,
  javaMajor: undefined,
  maven: false,
  jars: false,
};
const EVERYTHING: KafkaSurroundings = {
  given: 'kafka:9092',
  own: false,
  docker: true,
  javaMajor: 17,
  maven: true,
  jars: true,
};
const kinds = (ways: readonly { kind: string }[]) => ways.map((way) => way.kind);

describe('a Kafka is looked for', () => {
  it('in TEST_KAFKA_BROKERS first, and nowhere else when it is set', () => {
    expect(kafkaWays(EVERYTHING)).toEqual([{ kind: 'given', brokers: 'kafka:9092' }]);
  });

  it('in Docker, then with Java, when it is not set or empty', () => {
    expect(kinds(kafkaWays({ ...EVERYTHING, given: undefined }))).toEqual(['docker', 'java']);
    expect(kinds(kafkaWays({ ...EVERYTHING, given: ' ' }))).toEqual(['docker', 'java']);
  });

  it('not in a shared one by those who will kill it', () => {
    expect(kinds(kafkaWays({ ...EVERYTHING, own: true }))).toEqual(['docker', 'java']);
  });

  it('with Java from 17 on, and Maven unless the jars are there', () => {
    expect(kinds(kafkaWays({ ...NOTHING, javaMajor: 17, maven: true }))).toEqual(['java']);
    expect(kinds(kafkaWays({ ...NOTHING, javaMajor: 21, jars: true }))).toEqual(['java']);
    expect(kafkaWays({ ...NOTHING, javaMajor: 17 })).toEqual([]);
    expect(kafkaWays({ ...NOTHING, javaMajor: 11, maven: true, jars: true })).toEqual([]);
  });

  it('in vain with a message that names what is missing', () => {
    expect(missingForKafka(NOTHING)).toMatch(/no Docker engine answers, no Java, no Maven$/);
    expect(missingForKafka({ ...NOTHING, javaMajor: 11, maven: true })).toMatch(/Java 11 is older than 17$/);
  });
});

describe('a PostgreSQL is looked for', () => {
  const found = { given: undefined, own: false, docker: true };

  it('in TEST_DATABASE_URL, then Docker, then the embedded one', () => {
    expect(postgresWays({ ...found, given: 'postgres://db' })).toEqual([
      { kind: 'given', url: 'postgres://db' },
    ]);
    expect(kinds(postgresWays(found))).toEqual(['docker', 'embedded']);
    expect(kinds(postgresWays({ ...found, docker: false }))).toEqual(['embedded']);
  });

  it('not in a shared one by those who will stop it', () => {
    expect(kinds(postgresWays({ ...found, given: 'postgres://db', own: true }))).toEqual([
      'docker',
      'embedded',
    ]);
  });
});

describe('the version of Java', () => {
  it.each([
    ['openjdk version "17.0.15" 2025-04-15', 17],
    ['openjdk version "21" 2023-09-19', 21],
    ['java version "1.8.0_392"', 8],
    ['command not found', undefined],
  ])('%s', (output, major) => {
    expect(javaMajorVersion(output)).toBe(major);
  });
});
