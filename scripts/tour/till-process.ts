/**
 * A till as a process of its own, as on its own machine: the program that `till-handle.ts` starts. Besides what
 * `payflow run terminal` does, it can be cut off from the event log and connected again. It ends when it is
 * told to, or when whoever started it is gone.
 */
import { errorLine } from '../../services/shared/errors.ts';
import type { Config } from '../../services/shared/config.ts';
import { HealthBoard } from '../../services/shared/health.ts';
import { withReleasers } from '../../services/shared/lifecycle.ts';
import { openLog } from '../../services/cli/up/up-resources.ts';
import { runTerminal } from '../../services/terminal-agent/main.ts';
import { CuttableLog } from './cuttable-log.ts';
import { fileLogger } from './demo-logger.ts';

export interface TillStart {
  readonly kind: 'start';
  readonly config: Config;
  /** The folder of the embedded log, where there is one. */
  readonly logFolder: string;
  readonly logFile: string;
}

export type TillOrder = TillStart | { readonly kind: 'cut' | 'mend' | 'stop' };
export type TillReport =
  { readonly kind: 'ready' | 'cut' | 'mend' } | { readonly kind: 'failed'; readonly line: string };

const stop = new AbortController();
let cuttable: CuttableLog | undefined;

function report(message: TillReport): void {
  if (process.connected) process.send?.(message);
}

async function run({ config, logFolder, logFile }: TillStart): Promise<void> {
  await withReleasers(async (onRelease) => {
    const log = await fileLogger(logFile, config.logLevel, onRelease);
    const eventLog = openLog({ ...config, dataDir: logFolder }, log, onRelease);
    cuttable = new CuttableLog(eventLog);
    const health = new HealthBoard();
    void health.whenReady(stop.signal).then((ready) => {
      if (ready) report({ kind: 'ready' });
    });
    await runTerminal(config, { log, eventLog: cuttable, health, signal: stop.signal });
  });
}

function obey(order: TillOrder): void {
  switch (order.kind) {
    case 'start':
      run(order).then(
        () => process.disconnect(),
        (error: unknown) => {
          report({ kind: 'failed', line: errorLine(error) });
          process.exitCode = 1;
          process.disconnect();
        },
      );
      return;
    case 'cut':
      cuttable?.cut();
      return report({ kind: 'cut' });
    case 'mend':
      cuttable?.mend();
      return report({ kind: 'mend' });
    case 'stop':
      return stop.abort();
  }
}

process.on('message', (order: TillOrder) => obey(order));
process.on('disconnect', () => stop.abort());
// Ctrl-C in a terminal reaches us as well; whoever started us says when to stop.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => undefined);
