/**
 * The centre's tills, as `payflow terminals` asks for them: straight from its database where this machine has that
 * (DATABASE_URL, or a running `up`), else through the gateway with PAYFLOW_TOKEN.
 */
import {
  listIncarnations,
  unfenceTerminal,
  type IncarnationRow,
  type UnfenceResult,
} from '../gateway/hand-over.ts';
import { retireStep, type Retirement } from '../gateway/retirement.ts';
import { listTerminals, type TerminalRow } from '../gateway/terminal-list.ts';
import {
  makeStoreStream,
  registerTerminal,
  requireRegistrable,
  type Registration,
} from '../gateway/terminals.ts';
import { inTransaction } from '../shared/database/postgres.ts';
import { PayflowError } from '../shared/errors.ts';
import { DEFAULT_UP_PARTITIONS, upStream } from '../shared/log/topics.ts';
import { centreConfig, withCentre, withDatabase } from './centre.ts';
import type { Cli } from './cli.ts';
import { withGateway, type GatewayClient } from './gateway-client.ts';

export interface WantedTerminal {
  readonly terminalId: string;
  readonly storeId: string;
}

export type TerminalDetails = TerminalRow & { readonly incarnations: readonly IncarnationRow[] };

export interface RegisterTills {
  readonly replace: boolean;
  readonly onRegistered: (till: Registration) => void;
}

export interface TillRegistry {
  /**
   * All or none where the database is at hand, else one after the other: those that were registered are told before
   * one is refused, for their codes are good, and nobody could read them again.
   */
  register(wanted: readonly WantedTerminal[], options: RegisterTills): Promise<void>;
  list(storeId: string | undefined): Promise<readonly TerminalRow[]>;
  /** @throws PayflowError TERMINAL_UNKNOWN */
  show(terminalId: string): Promise<TerminalDetails>;
  unfence(terminalId: string, incarnation: string): Promise<UnfenceResult>;
  /** One step; to be asked again until it says `retired`. */
  retire(terminalId: string): Promise<Retirement>;
}

export function tillRegistry(cli: Cli): TillRegistry {
  return centreConfig(cli).databaseUrl === undefined ? throughGateway(cli) : direct(cli);
}

function direct(cli: Cli): TillRegistry {
  const { topicPrefix: prefix } = centreConfig(cli);
  const actor = { name: `command by ${cli.env['USER'] ?? cli.env['USERNAME'] ?? 'an unknown account'}` };
  return {
    register: (wanted, { replace, onRegistered }) =>
      withCentre(cli, async ({ pool, eventLog }) => {
        const asked = wanted.map((till) => ({ ...till, replace, upPartitions: DEFAULT_UP_PARTITIONS }));
        for (const options of asked) await requireRegistrable(pool, options);
        for (const storeId of new Set(wanted.map((till) => till.storeId))) {
          await makeStoreStream({ pool, eventLog, prefix }, storeId);
        }
        // A code that was made and then not printed would be lost.
        const done = await inTransaction(pool, async (client) => {
          const registered: Registration[] = [];
          for (const options of asked) registered.push(await registerTerminal(client, options));
          return registered;
        });
        for (const till of done) onRegistered(till);
      }),
    list: (storeId) => withDatabase(cli, (pool) => listTerminals(pool, { storeId })),
    show: (terminalId) =>
      withDatabase(cli, async (pool) => {
        const [found] = await listTerminals(pool, { terminalId });
        if (found === undefined) {
          throw new PayflowError('TERMINAL_UNKNOWN', `there is no terminal ${terminalId}`);
        }
        return { ...found, incarnations: await listIncarnations(pool, terminalId) };
      }),
    unfence: (terminalId, incarnation) =>
      withDatabase(cli, (pool) => unfenceTerminal(pool, { terminalId, incarnation, actor })),
    retire: (terminalId) =>
      withCentre(cli, ({ pool, eventLog }) => {
        const endOf = async (partition: number) => (await eventLog.offsets(upStream(prefix, partition))).end;
        return retireStep(pool, { terminalId, prefix, endOf, actor });
      }),
  };
}

function throughGateway(cli: Cli): TillRegistry {
  const ask = <T>(body: (client: GatewayClient) => Promise<T>) => withGateway(cli, body);
  const path = (terminalId: string) => `/terminals/${encodeURIComponent(terminalId)}`;
  return {
    register: (wanted, { replace, onRegistered }) =>
      ask(async (client) => {
        for (const till of wanted) onRegistered(await client.post('/terminals', { ...till, replace }));
      }),
    list: (storeId) =>
      ask(async (client) => {
        const found: TerminalRow[] = [];
        for (let cursor: string | null = ''; cursor !== null;) {
          const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
          const page: { terminals: TerminalRow[]; nextCursor: string | null } = await client.get(
            `/terminals?limit=1000${after}`,
          );
          found.push(...page.terminals.filter((till) => storeId === undefined || till.storeId === storeId));
          cursor = page.nextCursor;
        }
        return found;
      }),
    show: (terminalId) => ask((client) => client.get(path(terminalId))),
    unfence: (terminalId, incarnation) =>
      ask((client) => client.post(`${path(terminalId)}/unfence`, { incarnation })),
    retire: (terminalId) => ask((client) => client.post(`${path(terminalId)}/retire`, {})),
  };
}
