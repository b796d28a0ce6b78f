/** What must be there before a till's agent starts: its enrolment, made on the spot where a code is given. */
import type { Config } from '../shared/config.ts';
import { PayflowError } from '../shared/errors.ts';
import { enrolTill, isEnrolled } from '../terminal-agent/identity.ts';
import { gatewayUrl } from './gateway-client.ts';

/** @throws PayflowError TERMINAL_NOT_ENROLLED, ENROLMENT_REFUSED, GATEWAY_UNREACHABLE */
export async function ensureEnrolled(config: Config): Promise<void> {
  const { dataDir, enrolmentCode: code, terminalId } = config;
  if (isEnrolled(dataDir)) return;
  if (code === undefined) {
    throw new PayflowError('TERMINAL_NOT_ENROLLED', `DATA_DIR ${dataDir} holds no enrolment`);
  }
  await enrolTill({ dataDir, gatewayUrl: gatewayUrl(config), code, terminalId });
}
