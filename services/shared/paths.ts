import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The folder that holds package.json, whether this runs from source or from dist/.
 * @throws Error when there is none above this file (a broken installation).
 */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('payflow-sync: package.json not found above the program');
    folder = parent;
  }
  return folder;
}

/** A file under schemas/. */
export function schemaFile(...parts: string[]): string {
  return join(packageRoot(), 'schemas', ...parts);
}
