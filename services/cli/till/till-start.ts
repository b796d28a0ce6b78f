/**
 * What must be there before a till's agent starts, in this order: its file, which is held from here on, so that a
 * second agent harms nothing and a missing file enrols nothing; the place of its identity; and its enrolment, made on
 * the spot where a code is given.
 */
import type { Config } from '../../shared/config.ts';
import { realDatabasePath } from '../../shared/database/sqlite.ts';
import { PayflowError } from '../../shared/errors.ts';
import { enrolTill, isEnrolled, loadIdentity } from '../../terminal-agent/identity.ts';
import { AgentLock } from '../../terminal-agent/till/agent-lock.ts';
import type { Cli } from '../cli.ts';
import { gatewayUrl } from '../gateway-client.ts';
import { withTillFile } from './till-file.ts';
import { settlePlace, tillPlace } from './till-place.ts';

/** @returns the lock, to be given back; @throws PayflowError TERMINAL_DB_MISSING, _IN_USE, _READ_ONLY, _INVALID */
export function holdTillFile(file: string): AgentLock {
  return AgentLock.take(realDatabasePath(file));
}

/**
 * Call with the file held.
 * @returns where its identity lies
 * @throws PayflowError TERMINAL_NOT_ENROLLED, ENROLMENT_REFUSED, GATEWAY_UNREACHABLE, CONFIG_INVALID, TERMINAL_DB_…
 */
export async function ensureEnrolled(cli: Cli, file: string): Promise<string> {
  const { enrolmentCode: code, terminalId } = cli.config;
  const place = tillPlace(cli, { file, terminalId, isHeld: true });
  const { dataDir } = place;
  if (isEnrolled(dataDir)) {
    checkTerminalId(cli.config, dataDir);
    return settlePlace(place);
  }
  if (code === undefined) {
    throw new PayflowError('TERMINAL_NOT_ENROLLED', `${dataDir} holds no enrolment`);
  }
  // A file that is no database would use up the code for nothing.
  withTillFile(file, (db) => db.prepare('SELECT count(*) FROM sqlite_master').get());
  await enrolTill({ dataDir, gatewayUrl: gatewayUrl(cli.config), code, terminalId });
  return settlePlace(place);
}

/** Two tills on one machine, and the wrong folder: better no start than one till's sales as another's. */
function checkTerminalId({ terminalId }: Config, dataDir: string): void {
  const enrolled = loadIdentity(dataDir).terminalId;
  if (terminalId === undefined || terminalId === enrolled) return;
  throw new PayflowError(
    'CONFIG_INVALID',
    `TERMINAL_ID is ${terminalId}, but ${dataDir} is enrolled as ${enrolled}`,
    { details: { variables: ['TERMINAL_ID', 'DATA_DIR'] } },
  );
}
