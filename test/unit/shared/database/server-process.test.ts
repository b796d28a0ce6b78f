import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import { packageRoot } from '../../../../services/shared/paths.ts';
import {
  ServerProcess,
  type ServerProcessOptions,
} from '../../../../services/shared/database/server-process.ts';
import { processesMentioning } from '../../../support/orphans.ts';

let scratch: string;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'payflow-guard-test-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

/** A server that is up at once and names its folder, so that it can be found among the processes. */
function options(script: string): ServerProcessOptions {
  const temporaryFolder = join(scratch, 'server');
  mkdirSync(temporaryFolder);
  return {
    name: 'Server',
    command: 'sh',
    args: ['-c', script, temporaryFolder],
    logFile: join(temporaryFolder, 'log'),
    temporaryFolder,
    orphanSignal: 'QUIT',
  };
}

const FOREVER = 'while :; do sleep 1; done';

/** Runs the same class in a process of its own, which can be killed. */
async function startParent(script: string): Promise<{ parent: ChildProcess; folder: string }> {
  const given = options(script);
  const parent = spawn(process.execPath, ['test/support/server-parent.ts', JSON.stringify(given)], {
    cwd: packageRoot(),
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  await once(parent, 'message');
  return { parent, folder: given.temporaryFolder ?? '' };
}

async function nothingLeft(folder: string): Promise<void> {
  await until(
    () => processesMentioning(folder).length === 0 && !existsSync(folder),
    () => `everything is gone; left: ${processesMentioning(folder).join('; ')}`,
    { deadlineMs: 30_000 },
  );
}

describe('a server does not outlive the process that started it', () => {
  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('which ends by %s', async (signal) => {
    const { parent, folder } = await startParent(FOREVER);
    expect(processesMentioning(folder)).not.toHaveLength(0);
    parent.kill(signal);
    await nothingLeft(folder);
  });

  it('which ends by an uncaught error', async () => {
    const { parent, folder } = await startParent(FOREVER);
    parent.send('throw');
    await nothingLeft(folder);
  });

  it('even when the server ignores the polite signal', async () => {
    const { parent, folder } = await startParent(`trap '' QUIT; ${FOREVER}`);
    parent.kill('SIGKILL');
    await nothingLeft(folder);
  });
});

describe('a server process', () => {
  it('can be killed and started again, and leaves nothing after disposal', async () => {
    const given = options(FOREVER);
    const server = new ServerProcess(given);
    await server.start(async () => true, 1000);
    await server.end('SIGKILL');
    expect(server.running).toBe(false);
    await server.start(async () => true, 1000);
    expect(server.running).toBe(true);
    await server.dispose('SIGTERM');
    await nothingLeft(given.temporaryFolder ?? '');
  });

  it('that ends while starting says why', async () => {
    const server = new ServerProcess(options('echo "no space left" >&2; exit 3'));
    await expect(server.start(async () => false, 5000)).rejects.toMatchObject({
      code: 'SERVER_NOT_STARTED',
      message: 'Server ended while starting: no space left',
    });
    await server.dispose('SIGTERM');
  });

  it('whose program does not exist says so', async () => {
    const server = new ServerProcess({ ...options(FOREVER), command: '/no/such/program' });
    await expect(server.start(async () => false, 5000)).rejects.toMatchObject({ code: 'SERVER_NOT_STARTED' });
    await server.dispose('SIGTERM');
  });
});
