/** Wires a till's agent: configuration and enrolment → event log → agent → wait. */
import { requireSettings, type Config } from '../shared/config.ts';
import type { SqliteDatabase } from '../shared/database/sqlite.ts';
import { withReleasers } from '../shared/lifecycle.ts';
import { openEventLog } from '../shared/log/open-event-log.ts';
import { parseMapping } from '../shared/mapping/mapping-parser.ts';
import { gauge } from '../shared/metrics.ts';
import type { ServiceContext } from '../shared/service-context.ts';
import { TerminalAgent } from './agent.ts';
import { loadIdentity } from './identity.ts';
import { runReopening } from './reopening.ts';
import { prepareTakeOver } from './take-over/prepare.ts';
import { newestMapping } from './till/file-mapping.ts';

export interface TerminalStart extends ServiceContext {
  /** Told each time that the agent holds the till's file. */
  readonly onOpen?: (agent: TerminalAgent) => void;
  /** The lock of the till's file is held by whoever starts it. */
  readonly isLocked?: boolean | undefined;
}

/**
 * Runs the agent of one till until the signal is aborted.
 * @throws PayflowError what a person must mend: TERMINAL_NOT_ENROLLED, TERMINAL_DB_MISSING, TERMINAL_DB_IN_USE …
 */
export async function runTerminal(config: Config, start: TerminalStart): Promise<void> {
  const { terminalDb } = requireSettings(config, 'terminalDb');
  const identity = loadIdentity(config.dataDir);
  const log = start.log.child({ service: 'terminal', terminal: identity.terminalId });
  await withReleasers(async (onRelease) => {
    const { brokers } = identity;
    const eventLog = start.eventLog ?? openEventLog(config, { clientId: 'payflow-terminal', log, brokers });
    if (start.eventLog === undefined) onRelease(() => eventLog.close());
    const open = async () => {
      const { terminalId, mapping } = identity;
      const mappingFor = (db: SqliteDatabase) =>
        newestMapping(db, parseMapping(mapping.source, mapping.version)).mapping;
      const { signal, isLocked } = start;
      const taking = { file: terminalDb, mappingFor, terminalId, isLocked, signal, log };
      if (!(await prepareTakeOver(taking))) return undefined;
      return new TerminalAgent({
        terminalDb,
        dataDir: config.dataDir,
        eventLog,
        prefix: identity.prefix,
        identity,
        log,
        mode: config.syncMode,
        batchSize: config.syncBatchSize,
        txRows: config.txRows,
        resendAfterMs: config.resendAfterMs,
        horizonDays: config.horizonDays,
        retentionDays: config.retentionDays,
        freeMb: config.freeMb,
        isLocked: start.isLocked,
        ...(config.gatewayUrl !== undefined && { gatewayUrl: config.gatewayUrl }),
        ...(start.health && { health: start.health }),
      });
    };
    let current: TerminalAgent | undefined;
    measure(() => current, identity.terminalId, start);
    const onOpen = (agent: TerminalAgent) => {
      current = agent;
      start.onOpen?.(agent);
    };
    const onHealth = start.health?.part('till file');
    await runReopening({ open, signal: start.signal, log, onHealth, onOpen });
  });
}

/** Read from the till's state when they are asked for. */
function measure(
  agent: () => TerminalAgent | undefined,
  terminal: string,
  { registry }: TerminalStart,
): void {
  if (registry === undefined) return;
  const labelNames = ['terminal'];
  const status = () => (agent()?.till.db.open === true ? agent()?.status() : undefined);
  gauge(registry, {
    name: 'payflow_till_outbox_changes',
    help: 'Unsettled changes.',
    labelNames,
    collect() {
      this.set({ terminal }, status()?.outbox.depth ?? 0);
    },
  });
  gauge(registry, {
    name: 'payflow_till_parked_rows',
    help: 'Central rows that cannot be written yet.',
    labelNames,
    collect() {
      this.set({ terminal }, status()?.parked ?? 0);
    },
  });
}
