/** What an operator removes at Kafka when a till is taken out of service: nothing here has the right to do it. */
import type { Config } from '../../shared/config.ts';
import { catalogTopic, schemasTopic, upTopic } from '../../shared/log/topics.ts';

/** None without SASL: then Kafka does not know one till from another. */
export function kafkaRemovals(config: Config, terminalId: string): string[] {
  const { kafkaSaslMechanism: mechanism, kafkaBrokers: brokers, topicPrefix: prefix } = config;
  if (mechanism === undefined || brokers === undefined) return [];
  const server = `--bootstrap-server ${brokers.join(',')}`;
  const principal = `--allow-principal User:${terminalId}`;
  const topics = [upTopic(prefix), catalogTopic(prefix), schemasTopic(prefix)];
  const user =
    mechanism === 'plain'
      ? []
      : [
          `  kafka-configs.sh ${server} --alter --delete-config ${mechanism.toUpperCase()} --entity-type users --entity-name ${terminalId}`,
        ];
  return [
    `At Kafka the till’s own user can still read and write; remove it and its ACLs (here called ${terminalId}):`,
    ...user,
    ...topics.map((topic) => `  kafka-acls.sh ${server} --remove --force ${principal} --topic ${topic}`),
    `  kafka-acls.sh ${server} --remove --force ${principal} --topic ${prefix}.store. --resource-pattern-type prefixed`,
  ];
}
