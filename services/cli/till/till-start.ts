/** What must be there before a till's agent starts: its enrolment, made on the spot where a code is given. */
import type { Config } from '../../shared/config.ts';
import { PayflowError } from '../../shared/errors.ts';
import { enrolTill, isEnrolled, loadIdentity } from '../../terminal-agent/identity.ts';
import { gatewayUrl } from '../gateway-client.ts';

/** @throws PayflowError TERMINAL_NOT_ENROLLED, ENROLMENT_REFUSED, GATEWAY_UNREACHABLE, CONFIG_INVALID */
export async function ensureEnrolled(config: Config): Promise<void> {
  const { dataDir, enrolmentCode: code, terminalId } = config;
  if (isEnrolled(dataDir)) return checkTerminalId(config);
  if (code === undefined) {
    throw new PayflowError('TERMINAL_NOT_ENROLLED', `DATA_DIR ${dataDir} holds no enrolment`);
  }
  await enrolTill({ dataDir, gatewayUrl: gatewayUrl(config), code, terminalId });
}

/** Two tills on one machine, and the wrong folder: better no start than one till's sales as another's. */
function checkTerminalId({ dataDir, terminalId }: Config): void {
  const enrolled = loadIdentity(dataDir).terminalId;
  if (terminalId === undefined || terminalId === enrolled) return;
  throw new PayflowError(
    'CONFIG_INVALID',
    `TERMINAL_ID is ${terminalId}, but DATA_DIR ${dataDir} is enrolled as ${enrolled}`,
    { details: { variables: ['TERMINAL_ID', 'DATA_DIR'] } },
  );
}
