import { Option, type Command } from 'commander';
import {
  DIRECTIONS,
  isAtRest,
  isFinished,
  type JobPart,
  type JobView,
  type SyncDirection,
} from '../../gateway/jobs/job.ts';
import { PayflowError } from '../../shared/errors.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { withGateway, type GatewayClient } from '../gateway-client.ts';
import { durationText, type Output } from '../terminal-output.ts';

const LOOK_MS = 2_000;

interface SyncOptions extends JsonOption {
  readonly terminal?: string;
  readonly store?: string;
  readonly all?: true;
  readonly direction: SyncDirection;
  readonly wait?: true;
  readonly timeout: string;
}

export function syncCommand(cli: Cli): Command {
  const command = cli
    .command('sync', 'sync now: pull ↑ from the till, push ↓ to it, or both', [
      'sync --terminal till-7 --wait',
      'sync --store berlin-1 --direction pull',
      'sync --all --direction push --wait --timeout 300',
    ])
    .option('--terminal <id>', 'one till')
    .option('--store <id>', 'all tills of a store')
    .option('--all', 'all tills')
    .addOption(
      new Option('--direction <direction>', 'pull ↑, push ↓ or both').choices(DIRECTIONS).default('both'),
    )
    .option('--wait', 'until it is done; 0 if all is applied or merged, 1 if not, 3 if it failed')
    .option('--timeout <seconds>', 'how long --wait waits', '60');
  return withJson(command).action(
    cli.action(async (options: SyncOptions) => {
      const body = requestOf(options);
      const timeoutMs = secondsToMs(options.timeout);
      return withGateway(cli, async (client) => {
        const { jobId } = await client.post<{ jobId: string }>('/sync', body);
        if (options.wait !== true) {
          if (options.json === true) cli.output.json({ jobId });
          else cli.output.line(jobId);
          return EXIT.yes;
        }
        const job = await waitFor(cli, client, jobId, timeoutMs);
        if (options.json === true) cli.output.json(job);
        else showJob(cli.output, job);
        return jobExitCode(job);
      });
    }),
  );
}

function requestOf({ terminal, store, all, direction }: SyncOptions) {
  const named = [terminal, store, all].filter((value) => value !== undefined).length;
  if (named !== 1) throw new PayflowError('USAGE', 'exactly one of --terminal, --store and --all is needed');
  return { terminalId: terminal, storeId: store, all, direction };
}

function secondsToMs(text: string): number {
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds > 0) return seconds * 1000;
  throw new PayflowError('USAGE', `--timeout must be a number of seconds, not ${text}`);
}

/** In short looks, so that progress can be told. */
async function waitFor(cli: Cli, client: GatewayClient, jobId: string, timeoutMs: number): Promise<JobView> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const waitMs = Math.max(1, Math.min(LOOK_MS, Math.round(deadline - Date.now())));
    const job = await client.get<JobView>(`/sync/${jobId}?waitMs=${waitMs}`);
    if (isAtRest(job.terminals) || Date.now() >= deadline) return job;
    const finished = job.terminals.filter((part) => isFinished([part])).length;
    cli.output.note(`${finished} of ${job.terminals.length} tills, ${durationText(job.durationMs)}`);
  }
}

/** 0: everything is applied or merged; 3: nothing could be done; 1: anything else. */
export function jobExitCode(job: JobView): ExitCode {
  if (job.state === 'failed') return EXIT.failed;
  const clean = job.terminals.every(
    ({ state, pull }) =>
      state === 'done' && (pull?.lost ?? 0) + (pull?.rejected ?? 0) + (pull?.held ?? 0) === 0,
  );
  return clean ? EXIT.yes : EXIT.no;
}

function showJob(output: Output, job: JobView): void {
  output.line(`${job.jobId} ${job.state} after ${durationText(job.durationMs)}`);
  output.table(
    [
      'terminal',
      'state',
      '↑ published',
      'applied',
      'merged',
      'lost',
      'rejected',
      'held',
      '↓ applied',
      'error',
    ],
    job.terminals.map(partRow),
  );
}

function partRow({ terminalId, state, pull, push, error }: JobPart) {
  const told = error === undefined ? null : `[${error.code}] ${error.message}`;
  const counts = [pull?.published, pull?.applied, pull?.merged, pull?.lost, pull?.rejected, pull?.held];
  return [terminalId, state, ...counts, push?.applied, told];
}
