import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reachableFolder, serverAccount } from '../../../../services/shared/database/server-account.ts';

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

  it('is the same other one each time, of that account alone, where it cannot', () => {
    const closed = join(scratch, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    const wanted = join(closed, 'data');
    const account = serverAccount();
    const folder = reachableFolder(wanted, account);
    made.push(folder);
    // Only root starts the server as somebody else, who may not get where root does.
    expect(folder === wanted).toBe(account.uid === undefined);
    expect(reachableFolder(wanted, account)).toBe(folder);
    expect(reachableFolder(join(closed, 'data', '..', 'data'), account)).toBe(folder);
    expect(statSync(folder).uid).toBe(account.uid ?? process.getuid?.());
    expect(statSync(folder).mode & 0o077).toBe(account.uid === undefined ? statSync(wanted).mode & 0o077 : 0);
  });
});
