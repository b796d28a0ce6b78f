/** The command `payflow`: signals, output and the exit code around the program. Imported once, to run it. */
import { setMaxListeners } from 'node:events';
import { keepHeapSmall } from './heap.ts';
import { runCli } from './program.ts';
import { Output } from './terminal-output.ts';

/** What is left over after a command (a socket that does not close) must not keep the shell waiting. */
const LINGER_MS = 3_000;

keepHeapSmall();
const stop = new AbortController();
// All services of the process wait on it; that is no leak.
setMaxListeners(0, stop.signal);
let asked = 0;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    asked += 1;
    // The second time somebody means it.
    if (asked > 1) process.exit(130);
    stop.abort();
  });
}
// `payflow status | head` ends by closing the pipe; that is no error, and the command still cleans up after itself.
let unread = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exit(3);
  unread = true;
  stop.abort();
});

const exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  signal: stop.signal,
  output: new Output({
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    interactive: process.stdout.isTTY === true,
  }),
});
process.exitCode = unread ? 0 : exitCode;
setTimeout(() => process.exit(), LINGER_MS).unref();
