import Database from 'better-sqlite3';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { EmbeddedLog } from '../../../../services/shared/log/embedded-log.ts';
import type { LogUnderTest } from './conformance-context.ts';
import { eventLogConformance } from './conformance.ts';

const FAULT_RATE = 0.2;
const log = pino({ level: 'silent' });

eventLogConformance('embedded', async (): Promise<LogUnderTest> => {
  const folder = mkdtempSync(join(tmpdir(), 'payflow-log-'));
  const file = join(folder, 'log.db');
  const maintenance = new EmbeddedLog({ file, log, maintenanceMs: 0 });
  return {
    open: ({ onFetched } = {}) =>
      new EmbeddedLog({
        file,
        log,
        maintenanceMs: 0,
        ...(onFetched === undefined ? {} : { onFetched: (_stream, bytes) => onFetched(bytes) }),
      }),
    openFaulty: async (random) => {
      let strikes = 0;
      const strike = () => {
        if (random() >= FAULT_RATE) return;
        strikes += 1;
        throw new Database.SqliteError('injected', 'SQLITE_IOERR_FSYNC');
      };
      const faults = { beforeCommit: strike, afterCommit: strike };
      const faulty = new EmbeddedLog({ file, log, maintenanceMs: 0, faults });
      return { log: faulty, strikes: () => strikes, stop: () => faulty.close() };
    },
    prepareCompaction: () => Promise.resolve(),
    compact: async (topic) => {
      await maintenance.compact(topic);
    },
    expireAll: async ({ topic }) => {
      await maintenance.compact(topic, { now: Date.now() + 7_200_000 });
    },
    writerArguments: ['embedded', file],
    stop: async () => {
      await maintenance.close();
      rmSync(folder, { recursive: true });
    },
  };
});
