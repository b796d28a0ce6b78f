import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../services/shared/paths.ts';

const run = promisify(execFile);

/** A checkout with the real shims, and an npm and a tsc that only note that they were called. */
let scratch: string;
let checkout: string;

beforeEach(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'payflow shims ')));
  checkout = join(scratch, 'checkout');
  mkdirSync(join(checkout, 'scripts', 'support'), { recursive: true });
  for (const folder of ['services', 'test', '../bin', '../elsewhere']) mkdirSync(join(checkout, folder));
  for (const file of ['payflow', 'test', 'support/prepare.sh', 'support/node.sh']) {
    cpSync(join(packageRoot(), 'scripts', file), join(checkout, 'scripts', file));
  }
  writeFileSync(join(checkout, 'tsconfig.json'), '{}');
  writeFileSync(join(checkout, 'package-lock.json'), 'one');
  const main = 'console.log(JSON.stringify([process.cwd(), ...process.argv.slice(2)]))';
  const tsc = `
    const fs = require('fs');
    fs.appendFileSync(${JSON.stringify(join(scratch, 'calls'))}, 'tsc\\n');
    for (const file of ['services/cli/main.js', 'scripts/test.js']) {
      fs.mkdirSync(require('path').dirname('dist/' + file), { recursive: true });
      fs.writeFileSync('dist/' + file, ${JSON.stringify(main)});
    }
    process.exit(fs.existsSync('services/wrong.ts') ? 2 : 0);
  `;
  writeFileSync(join(scratch, 'tsc.js'), tsc);
  const npm = `#!/bin/sh
    for package; do :; done
    case $package in node-*@*)
      echo "npm $package, on $(node --version)" >>'${scratch}/calls'
      mkdir -p "node_modules/\${package%@*}/bin"
      printf '#!/bin/sh\nexec "%s" "$@"\n' '${process.execPath}' >"node_modules/\${package%@*}/bin/node"
      chmod +x "node_modules/\${package%@*}/bin/node"
      exit 0 ;;
    esac
    echo "npm $1" >>'${scratch}/calls'
    mkdir -p node_modules/typescript/bin && cp '${scratch}/tsc.js' node_modules/typescript/bin/tsc
    echo '{}' >node_modules/typescript/package.json
  `;
  writeFileSync(join(scratch, 'bin', 'npm'), npm);
  chmodSync(join(scratch, 'bin', 'npm'), 0o755);
  symlinkSync(process.execPath, join(scratch, 'bin', 'node'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

async function shim(file: string, ...args: string[]): Promise<{ said: unknown; stderr: string }> {
  const { stdout, stderr } = await run(file, args, {
    cwd: join(scratch, 'elsewhere'),
    env: { ...process.env, PAYFLOW_NODE: '', PATH: `${join(scratch, 'bin')}:${process.env['PATH']}` },
  });
  return { said: JSON.parse(stdout), stderr };
}

function calls(): string[] {
  return readFileSync(join(scratch, 'calls'), 'utf8').trim().split('\n');
}

describe('a script in a fresh checkout', () => {
  it('installs and builds once, also when several start at once, and keeps arguments and folder', async () => {
    const payflow = join(checkout, 'scripts', 'payflow');
    const results = await Promise.all(['a b', 'c', 'd'].map((argument) => shim(payflow, argument)));
    const folder = join(scratch, 'elsewhere');
    expect(results.map(({ said }) => said)).toEqual([
      [folder, 'a b'],
      [folder, 'c'],
      [folder, 'd'],
    ]);
    expect(calls()).toEqual(['npm ci', 'tsc']);
  });

  it('does nothing more the next time, also through a symbolic link', async () => {
    await shim(join(checkout, 'scripts', 'payflow'));
    symlinkSync(join(checkout, 'scripts', 'payflow'), join(scratch, 'bin', 'payflow'));
    const { stderr } = await shim(join(scratch, 'bin', 'payflow'));
    expect(stderr).toBe('');
    expect(calls()).toEqual(['npm ci', 'tsc']);
  });

  it('builds again when a source is newer, and installs again when the lock file differs', async () => {
    const payflow = join(checkout, 'scripts', 'payflow');
    await shim(payflow);
    writeFileSync(join(checkout, 'services', 'new.ts'), '');
    await shim(payflow);
    expect(calls()).toEqual(['npm ci', 'tsc', 'tsc']);
    writeFileSync(join(checkout, 'package-lock.json'), 'two');
    await shim(payflow);
    expect(calls()).toEqual(['npm ci', 'tsc', 'tsc', 'npm install']);
  });

  it('takes over from one that died while it held the lock', async () => {
    mkdirSync(join(checkout, '.cache'));
    const dead = await run('sh', ['-c', 'echo $$']);
    symlinkSync(dead.stdout.trim(), join(checkout, '.cache', 'lock'));
    await shim(join(checkout, 'scripts', 'payflow'));
    expect(calls()).toEqual(['npm ci', 'tsc']);
  });
});

describe('on a machine whose Node is another', () => {
  const machine = (version: string) => {
    for (const name of ['node', 'nodejs']) {
      // A link to the real one must not be written through.
      rmSync(join(scratch, 'bin', name), { force: true });
      writeFileSync(
        join(scratch, 'bin', name),
        `#!/bin/sh
echo ${version}
`,
      );
      chmodSync(join(scratch, 'bin', name), 0o755);
    }
  };
  const fetched = () => calls().filter((call) => call.includes('@'));

  it.each(['v20.20.2', 'v22.17.1', 'v23.11.0', 'v25.2.0'])(
    'brings Node 24 once and says so: %s',
    async (version) => {
      machine(version);
      const payflow = join(checkout, 'scripts', 'payflow');
      const first = await shim(payflow, 'a');
      expect(first.said).toEqual([join(scratch, 'elsewhere'), 'a']);
      expect(first.stderr.split('\n')[0]).toMatch(`This machine has Node ${version}. Fetching Node 24.`);
      expect(await shim(payflow)).toMatchObject({ stderr: '' });
      expect(fetched()).toEqual([expect.stringMatching(`^npm node-.*@24\\..*, on ${version}$`)]);
    },
  );

  it('takes the series that scripts/test is asked for, and hands the wish on', async () => {
    machine('v24.1.0');
    const { said } = await shim(join(checkout, 'scripts', 'test'), 'unit', '--node', '26');
    expect(said).toEqual([join(scratch, 'elsewhere'), 'unit', '--node', '26']);
    expect(fetched()).toEqual([expect.stringMatching(/@26\./)]);
  });

  it('refuses a series that is not supported', async () => {
    await expect(shim(join(checkout, 'scripts', 'test'), '--node=25')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('[USAGE] There is no supported Node series 25') as string,
    });
  });

  it('leaves nothing half fetched behind when npm fails', async () => {
    machine('v20.0.0');
    writeFileSync(join(scratch, 'bin', 'npm'), '#!/bin/sh\necho no network >&2; exit 1\n');
    const payflow = join(checkout, 'scripts', 'payflow');
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(shim(payflow)).rejects.toMatchObject({
        code: 3,
        stderr: expect.stringMatching(/no network[^]*\[NODE_MISSING\] npm could not fetch/) as string,
      });
    }
  });
});

describe('a build with type errors', () => {
  beforeEach(() => writeFileSync(join(checkout, 'services', 'wrong.ts'), ''));

  it('ends the command with exit code 3', async () => {
    await expect(shim(join(checkout, 'scripts', 'payflow'))).rejects.toMatchObject({
      code: 3,
      stderr: expect.stringContaining('[BUILD_FAILED]') as string,
    });
  });

  it('leaves it to scripts/test to report them', async () => {
    await expect(shim(join(checkout, 'scripts', 'test'), 'unit')).resolves.toMatchObject({
      said: [join(scratch, 'elsewhere'), 'unit'],
    });
  });
});
