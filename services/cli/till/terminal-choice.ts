/** Which tills a command through the gateway is about. */
import type { TerminalStatus } from '../../gateway/status.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { GatewayClient } from '../gateway-client.ts';

/** The named one, else all that are online. @throws PayflowError TERMINAL_OFFLINE when none is */
export async function chosenTerminals(client: GatewayClient, named: string | undefined): Promise<string[]> {
  if (named !== undefined) return [named];
  const online = (await listed(client, '')).filter((till) => till.online);
  if (online.length === 0) throw new PayflowError('TERMINAL_OFFLINE', 'no till is online');
  return online.map((till) => till.terminalId);
}

/** Those that are not retired, online or not. @throws PayflowError NOT_FOUND when it has none */
export async function terminalsOfStore(client: GatewayClient, storeId: string): Promise<string[]> {
  const tills = await listed(client, `&storeId=${encodeURIComponent(storeId)}`);
  const active = tills.filter(({ status }) => status !== 'retired');
  if (active.length === 0) throw new PayflowError('NOT_FOUND', `store ${storeId} has no till`);
  return active.map((till) => till.terminalId);
}

async function listed(client: GatewayClient, filter: string): Promise<TerminalStatus[]> {
  const tills: TerminalStatus[] = [];
  let cursor: string | null = null;
  do {
    const page: { terminals: TerminalStatus[]; nextCursor: string | null } = await client.get(
      `/terminals?limit=1000${filter}${cursor === null ? '' : `&cursor=${cursor}`}`,
    );
    tills.push(...page.terminals);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return tills;
}
