/** `scripts/demo`: a centre and two tills on this machine, a tour with measured figures, and then a playground. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { exitCodeOf } from '../services/cli/exit-code.ts';
import { errorLine, PayflowError } from '../services/shared/errors.ts';
import { withReleasers } from '../services/shared/lifecycle.ts';
import { openSite, type DemoSite } from './tour/demo-site.ts';
import { showFarewell } from './tour/farewell.ts';
import { DEMO_HELP, parseDemoArgs, type DemoOptions } from './tour/options.ts';
import { msText, Screen } from './tour/screen.ts';
import { showCatchUp } from './tour/steps/catch-up.ts';
import { showConflict } from './tour/steps/conflict.ts';
import { fillTills } from './tour/steps/fill.ts';
import { showOffline } from './tour/steps/offline.ts';
import { showPull } from './tour/steps/pull.ts';
import { showPush } from './tour/steps/push.ts';
import { showVerdict } from './tour/steps/verdict.ts';
import type { Tour } from './tour/tour.ts';

const INTERRUPTED = 130;
const LOG_LINES = 8;

async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const options = parseDemoArgs(args);
  if (options === null) {
    process.stdout.write(DEMO_HELP);
    return 0;
  }
  const screen = new Screen({
    out: (text) => void process.stdout.write(text),
    colours: process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '',
  });
  const said: { log: string | null } = { log: null };
  try {
    return await withReleasers(async (onRelease) => {
      const started = performance.now();
      screen.heading('payflow-sync: a head office, an event log, a gateway and two tills on this machine');
      screen.note(`starting PostgreSQL and ${options.kafka ? 'a real Kafka' : 'the embedded log'}`);
      const say = (text: string) => screen.note(text);
      const onLogFile = (path: string) => (said.log = path);
      const site = await openSite({ options, signal, say, onRelease, onLogFile, env: process.env });
      return await guide({ site, screen }, options, started);
    });
  } catch (error) {
    if (signal.aborted) return INTERRUPTED;
    if (said.log !== null) printLog(said.log);
    throw error;
  }
}

async function guide(tour: Tour, { once }: DemoOptions, started: number): Promise<number> {
  const { screen, site } = tour;
  screen.note(`up after ${msText(performance.now() - started)}, ${shopOf(site)}`);
  await fillTills(tour);
  const steps = [showPush, showPull, showOffline, showConflict, showCatchUp];
  for (const step of steps) await step(tour);
  const equal = await showVerdict(tour);
  const verdict = equal ? 'Both sides are equal' : 'Both sides DIFFER';
  screen.line();
  screen.line(`${verdict}. All of it took ${msText(performance.now() - started)}.`);
  if (!once) {
    showFarewell(tour);
    await site.services.untilInterrupted();
    screen.line();
    screen.note('stopping');
  }
  return equal ? 0 : 1;
}

function shopOf({ isNew, folder }: DemoSite): string {
  const path = relative(process.cwd(), folder.path) || '.';
  return isNew ? `with a new shop in ${path}` : `with the shop that is in ${path}; --fresh starts over`;
}

/** The last warnings and errors of the services: a failure of theirs is told there first. */
function printLog(file: string): void {
  const told = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => /^\{"level":[456]0/.test(line))
    .slice(-LOG_LINES);
  if (told.length > 0) process.stderr.write([`payflow: from ${file}:`, ...told, ''].join('\n'));
}

// `scripts/demo | head` ends by closing the pipe; that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 3);
});

const stop = new AbortController();
let asked = 0;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    asked += 1;
    // The second time somebody means it.
    if (asked > 1) process.exit(INTERRUPTED);
    stop.abort();
  });
}

let code: number;
try {
  code = await main(process.argv.slice(2), stop.signal);
} catch (error) {
  process.stderr.write(`${error instanceof PayflowError ? errorLine(error) : String(error)}\n`);
  code = error instanceof PayflowError ? exitCodeOf(error) : 1;
}
process.exit(code);
