/** Programs of dist/, for whoever starts them beside the sources: an older build would show what was before. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PayflowError } from '../../services/shared/errors.ts';
import { packageRoot } from '../../services/shared/paths.ts';

const SOURCES = ['services', 'scripts'];
/** What the shims write, and what a tsc by hand does. */
const STAMPS = [['.built'], ['services', 'cli', 'main.js']];

/**
 * Who runs from dist/ gets what was built with it, whatever is edited meanwhile.
 * @throws PayflowError USAGE where dist/ is older than its sources or not there
 */
export function builtProgram(...parts: string[]): string {
  const root = packageRoot();
  const stale = import.meta.filename.endsWith('.ts') ? newerThanBuild(root) : undefined;
  const program = join(root, 'dist', ...parts);
  if (stale === undefined && existsSync(program)) return program;
  const why = stale === undefined ? `There is no ${program}` : `dist/ is older than ${stale}`;
  throw new PayflowError('USAGE', `${why}. Build with: npm run build`);
}

/** @returns a source that has changed since it was built last; an installed package has none */
export function newerThanBuild(root: string): string | undefined {
  if (!existsSync(join(root, 'tsconfig.json'))) return undefined;
  const builtAtMs = Math.max(...STAMPS.map((parts) => changedAtMs(join(root, 'dist', ...parts))));
  const files = SOURCES.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
  return ['tsconfig.json', ...files].find((file) => changedAtMs(join(root, file)) > builtAtMs);
}

/** 0: it is not there. */
function changedAtMs(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
