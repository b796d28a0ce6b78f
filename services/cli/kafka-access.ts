/**
 * What a till needs at a Kafka with users: the commands that an administrator runs there, printed by
 * `terminals register`. It reads what every till has and what its own store has, and writes the up topic; whoever
 * could write a down stream could change what tills show. Pure.
 */
import { randomBytes } from 'node:crypto';
import { catalogTopic, schemasTopic, storeTopic, upTopic } from '../shared/log/topics.ts';

export interface KafkaAccess {
  readonly username: string;
  /** Made here and kept nowhere; null where users are kept outside Kafka's own commands (PLAIN). */
  readonly password: string | null;
  readonly commands: readonly string[];
}

export interface KafkaAccessOptions {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly brokers: readonly string[];
  readonly prefix: string;
  readonly terminalId: string;
  readonly storeId: string;
  readonly newPassword?: () => string;
}

/** Never the name of somebody else's user, whatever a till is called. */
export function kafkaUser(prefix: string, terminalId: string): string {
  return `${prefix}.till.${terminalId}`;
}

export function kafkaAccess(options: KafkaAccessOptions): KafkaAccess {
  const { mechanism, brokers, prefix, terminalId, storeId } = options;
  const username = kafkaUser(prefix, terminalId);
  const at = `--bootstrap-server ${brokers.join(',')} --command-config admin.properties`;
  const password = mechanism === 'plain' ? null : (options.newPassword ?? newPassword)();
  const allow = (operations: readonly string[], topics: readonly string[]) =>
    [
      `kafka-acls.sh ${at} --add --allow-principal User:${username}`,
      ...operations.map((operation) => `--operation ${operation}`),
      ...topics.map((topic) => `--topic ${topic}`),
    ].join(' ');
  const addUser = `kafka-configs.sh ${at} --alter --entity-type users --entity-name ${username} --add-config`;
  const commands = [
    ...(password === null ? [] : [`${addUser} '${mechanism.toUpperCase()}=[password=${password}]'`]),
    allow(['Read', 'Describe'], [catalogTopic(prefix), schemasTopic(prefix), storeTopic(prefix, storeId)]),
    allow(['Write', 'Describe'], [upTopic(prefix)]),
  ];
  return { username, password, commands };
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}
