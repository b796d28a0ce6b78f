import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './paths.ts';

let version: string | undefined;

/** The version in package.json, as it was when it was asked for first. */
export function productVersion(): string {
  return (version ??= readVersion());
}

function readVersion(): string {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
