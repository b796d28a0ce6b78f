/**
 * A till's agent that dies by its own kill -9 at the worst moment of publishing: the records are durable in the
 * up topic, and it has not yet written down that they are. Configured by the same environment as `payflow run
 * terminal`; DIE_AT_APPEND says at which append.
 */
import { pino } from 'pino';
import { loadConfig } from '../../services/shared/config.ts';
import { openEventLog } from '../../services/shared/log/open-event-log.ts';
import { upTopic } from '../../services/shared/log/topics.ts';
import { runTerminal } from '../../services/terminal-agent/main.ts';
import { wrappedLog } from '../support/wrapped-log.ts';

const config = loadConfig(process.env);
const log = pino();
const dieAt = Number(process.env['DIE_AT_APPEND'] ?? 1);
let appends = 0;

const eventLog = openEventLog(config, { clientId: 'payflow-terminal', log });
const dying = wrappedLog(eventLog, {
  async append(stream, records, options) {
    const result = await eventLog.append(stream, records, options);
    if (stream.topic === upTopic(config.topicPrefix)) {
      appends += 1;
      if (appends === dieAt) process.kill(process.pid, 'SIGKILL');
    }
    return result;
  },
});

await runTerminal(config, { log, signal: new AbortController().signal, eventLog: dying });
