#!/usr/bin/env node
/**
 * The command `payflow`, as far as any Node can run it: one that is too old is told so in one line. Everything else
 * is imported after that, since it would not even load there.
 */
import process from 'node:process';
import { ERROR_CODES } from '../shared/error-codes.ts';
import { isTooOld, SUPPORTED_NODE } from '../shared/node-version.ts';
import { boundYoungGeneration } from './heap.ts';

const COULD_NOT_BE_DONE = 3;
const VERSION: ReadonlySet<string> = new Set(['--version', '-V']);
/** Commands that are services. */
const LASTING: ReadonlySet<string> = new Set(['run', 'up']);

if (isTooOld(process.versions.node)) {
  const { remedy } = ERROR_CODES.NODE_TOO_OLD;
  const what = `payflow needs ${SUPPORTED_NODE}; this is ${process.versions.node}.`;
  process.stderr.write(`[NODE_TOO_OLD] ${what} ${remedy}\n`);
  process.exitCode = COULD_NOT_BE_DONE;
} else if (process.argv.length === 3 && VERSION.has(process.argv[2] ?? '')) {
  // Scripts ask for it often; the program would take three times as long to load.
  const { productVersion } = await import('../shared/version.ts');
  process.stdout.write(`${productVersion()}\n`);
} else {
  // Only what runs for long may fill its memory.
  if (LASTING.has(process.argv[2] ?? '')) boundYoungGeneration();
  await import('./payflow.ts');
}
