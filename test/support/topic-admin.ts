/** What an administrator does to topics behind everybody's back. */
import kafkajs, { type Admin, type SASLOptions } from 'kafkajs';

const { Kafka, ConfigResourceTypes, logLevel } = kafkajs;

export class TopicAdmin {
  readonly #admin: Admin;

  private constructor(admin: Admin) {
    this.#admin = admin;
  }

  static async connect(brokers: string, sasl?: SASLOptions): Promise<TopicAdmin> {
    const admin = new Kafka({
      brokers: brokers.split(','),
      clientId: 'administrator',
      logLevel: logLevel.NOTHING,
      ...(sasl === undefined ? {} : { sasl }),
    }).admin();
    await admin.connect();
    return new TopicAdmin(admin);
  }

  get kafka(): Admin {
    return this.#admin;
  }

  /** These settings and no others, as kafkajs has it: whatever else was set is as the broker has it by default. */
  async set(topic: string, settings: Readonly<Record<string, string>>): Promise<void> {
    const current = await this.settings(topic);
    const configEntries = Object.entries({ ...current, ...settings }).map(([name, value]) => ({
      name,
      value,
    }));
    await this.#admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
    });
  }

  /** What was set for the topic itself. */
  async settings(topic: string): Promise<Record<string, string>> {
    const { resources } = await this.#admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    });
    const entries = resources[0]?.configEntries ?? [];
    return Object.fromEntries(
      entries.filter(({ isDefault }) => !isDefault).map((entry) => [entry.configName, entry.configValue]),
    );
  }

  /** Whatever stands there now, as a retention does it: a topic that is only compacted refuses. */
  async deleteRecords(topic: string): Promise<number> {
    await this.set(topic, { 'cleanup.policy': 'compact,delete' });
    const [partition] = await this.#admin.fetchTopicOffsets(topic);
    const offset = partition?.high ?? '0';
    await this.#admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
    await this.set(topic, { 'cleanup.policy': 'compact' });
    return Number(offset);
  }

  async close(): Promise<void> {
    await this.#admin.disconnect();
  }
}
