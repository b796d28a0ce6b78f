/** How far bootstrap is, while the till's agent is at it: a bar on a terminal, else a line every few seconds. */
import { SingleBar } from 'cli-progress';
import type { TerminalStatus } from '../gateway/status.ts';
import type { AgentStatus } from '../shared/agent-protocol.ts';
import { asPayflowError, errorLine } from '../shared/errors.ts';
import { sleep } from '../shared/lifecycle.ts';
import type { GatewayClient } from './gateway-client.ts';
import type { Output } from './terminal-output.ts';

/** The agent reports every two seconds. */
const LOOK_MS = 2_000;

export interface BootstrapStep {
  readonly done: number;
  readonly of: number;
}

/**
 * Rows of which the centre's answer is there, of those that had none when it began. What is sold meanwhile waits for its
 * answer, too, so that it never shows more than there is.
 * @param of as it was at the beginning; 0: this is the beginning
 */
export function stepOf({ earlierRows, outbox }: AgentStatus, of: number): BootstrapStep {
  const left = (earlierRows ?? []).reduce((sum, { rows }) => sum + rows, 0) + outbox.depth;
  return of === 0 ? { done: 0, of: left } : { done: Math.max(0, of - left), of };
}

/** @returns what `body` does */
export async function withProgress<T>(
  { client, output, terminalId }: { client: Pick<GatewayClient, 'get'>; output: Output; terminalId: string },
  body: () => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const shown = show({ client, output, terminalId }, stop.signal);
  try {
    return await body();
  } finally {
    stop.abort();
    await shown;
  }
}

async function show(
  { client, output, terminalId }: { client: Pick<GatewayClient, 'get'>; output: Output; terminalId: string },
  signal: AbortSignal,
): Promise<void> {
  const bar = output.interactive
    ? new SingleBar({
        format: `${terminalId} ↑ {bar} {value} of {total} rows, {eta_formatted} left`,
        stream: process.stderr,
      })
    : null;
  let of = 0;
  let told = -1;
  let trouble = '';
  // What is wrong with the work itself is told by whoever waits for it.
  const reported = async (): Promise<AgentStatus | null> => {
    try {
      return (await client.get<TerminalStatus>(`/terminals/${encodeURIComponent(terminalId)}`)).agent;
    } catch (thrown) {
      const error = asPayflowError(thrown);
      if (!signal.aborted && error.code !== trouble)
        output.note(`how far it is is not known: ${errorLine(error)}`);
      trouble = error.code;
      return null;
    }
  };
  for (; !signal.aborted; await sleep(LOOK_MS, signal)) {
    const agent = await reported();
    if (agent === null || signal.aborted) continue;
    const step = stepOf(agent, of);
    // A sale that is under way waits for its answer, too.
    const done = Math.max(told, step.done);
    if (step.of === 0) continue;
    if (of === 0) bar?.start(step.of, done);
    of = step.of;
    bar?.setTotal(of);
    bar?.update(done);
    if (bar === null && done !== told) output.note(`${terminalId}: ${done} of ${of} rows are answered`);
    told = done;
  }
  bar?.stop();
}
