/**
 * The agents that are connected now, one per till. What carries a request (a Socket.IO socket) is behind
 * `AgentConnection`, so that jobs know nothing of sockets.
 */
import {
  readReply,
  type AgentRequest,
  type AgentRequestName,
  type AgentResult,
  type AgentStatus,
  type SyncMode,
} from '../shared/agent-protocol.ts';
import { PayflowError } from '../shared/errors.ts';

export interface AgentConnection {
  readonly terminalId: string;
  readonly mode: SyncMode;
  /** Aborted when the connection is gone. */
  readonly closed: AbortSignal;
  /** Sends a request and resolves with the raw reply. @throws PayflowError SYNC_TIMEOUT when none came in time */
  send(name: AgentRequestName, request: unknown, timeoutMs: number): Promise<unknown>;
  disconnect(): void;
}

export interface AgentEvents {
  connected(terminalId: string): void;
  /** Connected, gone, or reported a new status. */
  changed(terminalId: string): void;
}

export class Agents {
  readonly #connections = new Map<string, AgentConnection>();
  readonly #statuses = new Map<string, AgentStatus>();
  readonly #listeners: Partial<AgentEvents>[] = [];

  on(listener: Partial<AgentEvents>): void {
    this.#listeners.push(listener);
  }

  /** The newest connection of a till counts; an older one is closed (it may be a dead one not noticed yet). */
  add(connection: AgentConnection): void {
    const { terminalId } = connection;
    if (connection.closed.aborted) return;
    this.#connections.get(terminalId)?.disconnect();
    this.#connections.set(terminalId, connection);
    connection.closed.addEventListener('abort', () => {
      if (this.#connections.get(terminalId) !== connection) return;
      this.#connections.delete(terminalId);
      this.#tell('changed', terminalId);
    });
    this.#tell('changed', terminalId);
    this.#tell('connected', terminalId);
  }

  report(terminalId: string, status: AgentStatus): void {
    this.#statuses.set(terminalId, status);
    this.#tell('changed', terminalId);
  }

  get(terminalId: string): AgentConnection | undefined {
    return this.#connections.get(terminalId);
  }

  list(): AgentConnection[] {
    return [...this.#connections.values()];
  }

  /** As last reported, also by a till that is offline now. */
  status(terminalId: string): AgentStatus | undefined {
    return this.#statuses.get(terminalId);
  }

  /**
   * Asks a till's agent and waits for its answer.
   * @throws PayflowError TERMINAL_OFFLINE when it is not connected or goes away, SYNC_TIMEOUT, or the agent's own
   */
  async request<N extends AgentRequestName>(
    terminalId: string,
    name: N,
    request: AgentRequest<N>,
    timeoutMs: number,
  ): Promise<AgentResult<N>> {
    const connection = this.#connections.get(terminalId);
    if (connection === undefined || connection.closed.aborted) throw offline(terminalId);
    let leave: (() => void) | undefined;
    const gone = new Promise<never>((_, reject) => {
      leave = () => reject(offline(terminalId));
      connection.closed.addEventListener('abort', leave);
    });
    try {
      return readReply(name, await Promise.race([connection.send(name, request, timeoutMs), gone]));
    } finally {
      if (leave !== undefined) connection.closed.removeEventListener('abort', leave);
    }
  }

  #tell(event: keyof AgentEvents, terminalId: string): void {
    for (const listener of this.#listeners) listener[event]?.(terminalId);
  }
}

function offline(terminalId: string): PayflowError {
  return new PayflowError('TERMINAL_OFFLINE', `terminal ${terminalId} is not connected`);
}
