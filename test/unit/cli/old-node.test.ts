import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../services/shared/paths.ts';

/** Before the program is loaded, Node calls itself otherwise. */
const asNode = (version: string) =>
  'data:text/javascript,' +
  `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;

async function payflow(...args: string[]) {
  return promisify(execFile)(process.execPath, args, { cwd: packageRoot() });
}

describe('payflow on a Node that is too old', () => {
  it('says so in one line and does nothing', async () => {
    const call = payflow('--import', asNode('20.20.2'), 'services/cli/main.ts', '--version');
    await expect(call).rejects.toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(
        /^\[NODE_TOO_OLD\] payflow needs .* this is 20\.20\.2\. [^\n]+\n$/,
      ) as string,
    });
  });

  it('runs on one that is not', async () => {
    const { stdout } = await payflow('--no-warnings', 'services/cli/main.ts', '--version');
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
