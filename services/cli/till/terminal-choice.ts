/** Which tills a command through the gateway is about. */
import type { TerminalStatus } from '../../gateway/status.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { GatewayClient } from '../gateway-client.ts';

/** The named one, else all that are online. @throws PayflowError TERMINAL_OFFLINE when none is */
export async function chosenTerminals(client: GatewayClient, named: string | undefined): Promise<string[]> {
  if (named !== undefined) return [named];
  const online: string[] = [];
  let cursor: string | null = null;
  do {
    const page: { terminals: TerminalStatus[]; nextCursor: string | null } = await client.get(
      `/terminals?limit=1000${cursor === null ? '' : `&cursor=${cursor}`}`,
    );
    online.push(...page.terminals.filter((till) => till.online).map((till) => till.terminalId));
    cursor = page.nextCursor;
  } while (cursor !== null);
  if (online.length === 0) throw new PayflowError('TERMINAL_OFFLINE', 'no till is online');
  return online;
}
