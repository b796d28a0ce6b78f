/** Wires capture: configuration → event log → capture → wait. */
import { requireSettings, type Config } from '../shared/config.ts';
import { withReleasers } from '../shared/lifecycle.ts';
import { openEventLog } from '../shared/log/open-event-log.ts';
import type { ServiceContext } from '../shared/service-context.ts';
import { Capture } from './capture.ts';

/**
 * Runs capture until the signal is aborted.
 * @throws PayflowError what a person must mend: CONFIG_INVALID, DB_NOT_SET_UP, DB_NO_REPLICATION, SLOT_LOST …
 */
export async function runCapture(config: Config, context: ServiceContext): Promise<void> {
  const { databaseUrl } = requireSettings(config, 'databaseUrl');
  const log = context.log.child({ service: 'capture' });
  await withReleasers(async (onRelease) => {
    const eventLog = context.eventLog ?? openEventLog(config, { clientId: 'payflow-capture', log });
    if (context.eventLog === undefined) onRelease(() => eventLog.close());
    const onHealth = context.health?.part('capture');
    const capture = new Capture({
      databaseUrl,
      replicationUrl: config.databaseReplicationUrl ?? databaseUrl,
      eventLog,
      prefix: config.topicPrefix,
      horizonDays: config.horizonDays,
      log,
      ...(onHealth && { onHealth }),
      onTopics: context.health?.part('topics'),
      onTables: context.health?.part('tables'),
      ...(context.registry && { registry: context.registry }),
    });
    await capture.run(context.signal);
  });
}
