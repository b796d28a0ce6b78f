import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isTooOld } from '../../../services/shared/node-version.ts';
import { packageRoot } from '../../../services/shared/paths.ts';

describe('a Node', () => {
  it.each(['0.12.0', '18.20.4', '20.20.2', '21.7.3', '22.0.0', '22.17.1'])('is too old: %s', (version) => {
    expect(isTooOld(version)).toBe(true);
  });

  it.each(['22.18.0', '22.23.3', '24.0.0', '26.10.0', '28.0.0-nightly'])('is new enough: %s', (version) => {
    expect(isTooOld(version)).toBe(false);
  });

  it('is judged alike by the program, by npm and by the scripts', () => {
    const read = (file: string) => readFileSync(join(packageRoot(), file), 'utf8');
    const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
    expect(engines.node).toBe('^22.18.0 || ^24.0.0 || >=26.0.0');
    const script = read('scripts/support/node.sh');
    expect(script).toContain('22) [ "$minor" -ge 18 ]');
    expect(script).toContain('24 | 26)');
  });
});
