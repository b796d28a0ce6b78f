/** What bootstrap would offer of a till's file, without an agent, the log or the centre. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { BootstrapResult } from '../../shared/agent-protocol.ts';
import { parseMapping } from '../../shared/mapping/mapping-parser.ts';
import { Bootstrap } from '../../terminal-agent/bootstrap.ts';
import type { TerminalIdentity } from '../../terminal-agent/identity.ts';
import { bootstrapResult } from '../../terminal-agent/bootstrap-result.ts';
import { TillDatabase } from '../../terminal-agent/till/till-database.ts';
import { withTillFile } from './till-file.ts';

/**
 * Counts on a copy, since counting needs the tables that the agent keeps in the file: the till itself is not
 * changed, whether or not an agent has it.
 * @throws PayflowError TERMINAL_DB_MISSING, TERMINAL_DB_INVALID, TERMINAL_FENCED when it is another till's
 */
export function countOffers(file: string, identity: TerminalIdentity, log: Logger): BootstrapResult {
  const folder = mkdtempSync(join(tmpdir(), 'payflow-count-'));
  const copy = join(folder, 'payflow.db');
  try {
    withTillFile(file, (db) => db.prepare('VACUUM INTO ?').run(copy));
    const till = TillDatabase.open({
      file: copy,
      mapping: parseMapping(identity.mapping.source, identity.mapping.version),
      terminalId: identity.terminalId,
      incarnation: 'count',
      log,
    });
    try {
      const bootstrap = new Bootstrap({ till, log });
      return bootstrapResult(bootstrap.count(), new Map(), { dryRun: true, rows: bootstrap.listed() });
    } finally {
      till.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
