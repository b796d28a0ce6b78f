import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reachableFolder, serverAccount } from '../../../../services/shared/database/server-account.ts';

const isRoot = process.getuid?.() === 0;

describe('the folder of a server that may run as another account', () => {
  let scratch: string;
  const made: string[] = [];
  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'payflow-account-'));
    chmodSync(scratch, 0o755);
  });
  afterEach(() => {
    for (const folder of [scratch, ...made.splice(0)]) rmSync(folder, { recursive: true, force: true });
  });

  it('is the one that was wanted, and is made, where the account can get there', () => {
    const wanted = join(scratch, 'a', 'b');
    expect(reachableFolder(wanted, serverAccount())).toBe(wanted);
    expect(existsSync(wanted)).toBe(true);
  });

  it.skipIf(!isRoot)('is the same other one each time, of that account alone, where it cannot', () => {
    const closed = join(scratch, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    const account = serverAccount();
    const folder = reachableFolder(join(closed, 'data'), account);
    made.push(folder);
    expect(folder).not.toContain(closed);
    expect(reachableFolder(join(closed, 'data'), account)).toBe(folder);
    expect(reachableFolder(join(closed, 'data', '..', 'data'), account)).toBe(folder);
    const { uid, mode } = statSync(folder);
    expect({ uid, mode: mode & 0o777 }).toEqual({ uid: account.uid, mode: 0o700 });
  });
});
