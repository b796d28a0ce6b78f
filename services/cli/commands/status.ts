import type { Command } from 'commander';
import type { SystemStatus, TerminalStatus } from '../../gateway/status.ts';
import type { AgentStatus } from '../../shared/agent-protocol.ts';
import { ERROR_CODES, type ErrorCode } from '../../shared/error-codes.ts';
import { asPayflowError, errorLine } from '../../shared/errors.ts';
import { sleep } from '../../shared/lifecycle.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway, type GatewayClient } from '../gateway-client.ts';
import { earlierRowsLine, waitLine } from '../till-waits.ts';
import { bytesText, durationText, type Output } from '../terminal-output.ts';

const WATCH_MS = 2_000;

export function statusCommand(cli: Cli): Command {
  const command = cli
    .command('status', 'how everything is doing: tills, lag, slot, streams, what needs a person', [
      'status',
      'status --watch',
      'status --json',
    ])
    .option('--watch', 'show it again every two seconds');
  return withJson(command).action(
    cli.action(async ({ watch, json }: JsonOption & { watch?: true }) => {
      await withGateway(cli, async (client) => {
        if (watch === true) return watchStatus(cli, client, json === true);
        show(cli.output, await client.get<SystemStatus>('/status'), json === true);
      });
      return EXIT.yes;
    }),
  );
}

/** Until Ctrl-C; a gateway that is away for a while is waited for. */
async function watchStatus(cli: Cli, client: GatewayClient, json: boolean): Promise<void> {
  while (!cli.signal.aborted) {
    try {
      const status = await client.get<SystemStatus>('/status');
      cli.output.clear();
      show(cli.output, status, json);
    } catch (thrown) {
      const error = asPayflowError(thrown);
      if (cli.signal.aborted) return;
      if (error.retry !== 'timed') throw error;
      cli.output.note(errorLine(error));
    }
    await sleep(WATCH_MS, cli.signal);
  }
}

function show(output: Output, status: SystemStatus, json: boolean): void {
  if (json) return output.json(status);
  const { slot } = status;
  const capture = slot.active ? 'connected' : slot.exists ? 'NOT CONNECTED' : 'SLOT MISSING';
  output.line(`centre    epoch ${status.epoch ?? '–'}, mapping version ${status.mappingVersion ?? '–'}`);
  output.line(`capture   ${capture}, behind by ${bytesText(slot.lagBytes)}, WAL ${slot.walStatus ?? '–'}`);
  output.line(
    `attention dead letters ${status.deadLetters}, held ${status.held}, conflicts ${status.conflicts}, ` +
      `refused records ${status.refusedRecords}, open jobs ${status.openJobs}`,
  );
  for (const { message } of status.topics) output.line(`attention ${message}`);
  for (const { table, code, message, since } of status.tables) {
    output.line(`attention table ${table}: [${code}] ${message} (since ${since}). ${remedyOf(code)}`);
  }
  for (const problem of new Set(status.streams.flatMap((stream) => stream.problem ?? []))) {
    output.line(`attention ${problem}: ${remedyOf(problem)}`);
  }
  for (const { terminalId, notAllowed } of status.terminals) {
    if (notAllowed === 0) continue;
    const command = `payflow dead-letters list --terminal ${terminalId} --code CHANGE_NOT_ALLOWED`;
    output.line(`attention ${terminalId} sent changes that it may not make: \`${command}\``);
  }
  for (const { terminalId, evidenceGone } of status.terminals) {
    if (evidenceGone === 0) continue;
    const command = `payflow dead-letters list --terminal ${terminalId} --code EVIDENCE_GONE`;
    output.line(
      `attention ${terminalId} was restored, and sent changes older than the evidence: \`${command}\``,
    );
  }
  for (const { terminalId, agent } of status.terminals) {
    const text = inPartsText(agent?.inParts);
    if (text !== null) output.line(`in parts  ${terminalId}: ${text}`);
  }
  for (const { terminalId, agent } of status.terminals) {
    const text = earlierRowsLine(terminalId, agent?.earlierRows);
    if (text !== null) output.line(`attention ${text}`);
  }
  for (const { terminalId, waits } of status.terminals)
    for (const wait of waits) output.line(`attention ${waitLine(terminalId, wait)}`);
  output.line();
  output.table(
    [
      'terminal',
      'store',
      'status',
      'online',
      'mode',
      '↑ lag',
      'outbox',
      '↓ lag',
      'parked',
      'verified',
      'mapping',
      'version',
    ],
    status.terminals.map(terminalRow),
    'no terminals registered',
  );
  showStreams(output, status);
  for (const terminal of status.terminals) showCheckpoints(output, terminal);
}

function remedyOf(code: string): string {
  return Object.hasOwn(ERROR_CODES, code) ? ERROR_CODES[code as ErrorCode].remedy : '';
}

function inPartsText(inParts: AgentStatus['inParts']): string | null {
  if (inParts === undefined || inParts === null || inParts.transactions === 0) return null;
  const applied = `${inParts.transactions} transactions of the centre were too large to be applied in one piece`;
  return inParts.underWay ? `${applied}; one is not there whole yet` : applied;
}

function terminalRow(terminal: TerminalStatus) {
  const { agent } = terminal;
  return [
    terminal.terminalId,
    terminal.storeId,
    agent === null ? terminal.status : `${terminal.status}, ${agent.state}`,
    terminal.online,
    terminal.mode,
    durationText(terminal.pullLagMs),
    agent?.outbox.depth,
    durationText(terminal.pushLagMs),
    agent?.parked,
    verifiedText(terminal),
    agent?.mappingVersion,
    agent?.version,
  ];
}

function verifiedText({ verified }: TerminalStatus): string | null {
  if (verified === null) return null;
  const rows = verified.differs + verified.known + verified.notLookedAt;
  return rows === 0 ? verified.finishedAt : `${verified.finishedAt}, ${rows} rows differ`;
}

function showStreams(output: Output, { streams }: SystemStatus): void {
  if (streams.length === 0) return;
  output.line();
  output.table(
    ['stream', 'last offset', 'position', 'at'],
    streams.map(({ topic, lastOffset, position, updatedAt }) => [topic, lastOffset, position, updatedAt]),
  );
}

function showCheckpoints(output: Output, { terminalId, agent }: TerminalStatus): void {
  if (agent === null || agent.checkpoints.length === 0) return;
  output.line();
  output.table(
    [`${terminalId}: table`, 'position', 'newest row', 'rows'],
    agent.checkpoints.map(({ table, position, lastTimestamp, rows }) => [
      table,
      position,
      lastTimestamp,
      rows,
    ]),
  );
}
