import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { builtProgram, newerThanBuild } from '../../../scripts/support/built.ts';

describe('a build is older than its sources', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'payflow-built-'));
    for (const file of ['tsconfig.json', 'services/cli/main.ts', 'scripts/support/say.ts'])
      changed(file, 1000);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function changed(file: string, atSeconds: number): void {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), '');
    utimesSync(join(root, file), atSeconds, atSeconds);
  }

  it.each(['dist/.built', 'dist/services/cli/main.js'])(
    'not where the sources are from before %s',
    (stamp) => {
      changed(stamp, 2000);
      expect(newerThanBuild(root)).toBeUndefined();
    },
  );

  it.each(['tsconfig.json', 'services/cli/commands/new.ts', 'scripts/support/say.ts'])(
    'where one has changed since: %s',
    (source) => {
      changed('dist/.built', 2000);
      changed('dist/services/cli/main.js', 1500);
      changed(source, 2001);
      expect(newerThanBuild(root)).toBe(source);
    },
  );

  it('where nothing is built', () => {
    expect(newerThanBuild(root)).toBeDefined();
  });

  it('not where something changed that is not compiled', () => {
    changed('dist/.built', 2000);
    changed('scripts/payflow', 3000);
    expect(newerThanBuild(root)).toBeUndefined();
  });

  it('not in an installed package, which has no sources', () => {
    rmSync(join(root, 'tsconfig.json'));
    expect(newerThanBuild(root)).toBeUndefined();
  });
});

it('a program that is not built is refused, with how to build it', () => {
  expect(() => builtProgram('services', 'cli', 'none.js')).toThrow(/Build with: npm run build$/);
});
