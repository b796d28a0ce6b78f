/** Run as a child process, to be killed: appends one record after the other and prints each that is durable. */
import { pino } from 'pino';
import { EmbeddedLog } from '../../services/shared/log/embedded-log.ts';
import type { EventLog } from '../../services/shared/log/event-log.ts';
import { KafkaLog } from '../../services/shared/log/kafka-log.ts';

const [kind, place = '', topic = ''] = process.argv.slice(2);
const logger = pino({ level: 'silent' });
const log: EventLog =
  kind === 'kafka'
    ? new KafkaLog({ brokers: place.split(','), clientId: 'log-writer', log: logger })
    : new EmbeddedLog({ file: place, log: logger });

for (let number = 0; ; number += 1) {
  const value = Buffer.from(String(number));
  const { baseOffset } = await log.append({ topic, partition: 0 }, [{ key: value, value }]);
  process.stdout.write(`${number} ${baseOffset}\n`);
}
