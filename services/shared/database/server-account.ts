/** As whom PostgreSQL runs, and where that account can have its data. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PayflowError } from '../errors.ts';

/** Empty: the account of this process. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root: then as `postgres`, or as `nobody`, who exists everywhere. */
export function serverAccount(): Account {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new PayflowError('SERVER_NOT_STARTED', 'PostgreSQL cannot run as root, and there is no other user');
}

export function own(path: string, { uid, gid }: Account): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

/**
 * The folder itself, made where it is missing; or, where the account cannot get there (it lies below root's own
 * home, say), one of a name derived from it in the system's temporary folder.
 */
export function reachableFolder(wanted: string, account: Account): string {
  mkdirSync(wanted, { recursive: true });
  if (account.uid === undefined || canEnter(wanted, account)) return wanted;
  const name = createHash('sha256').update(resolve(wanted)).digest('hex').slice(0, 16);
  const folder = join(tmpdir(), `payflow-postgres-${name}`);
  if (!existsSync(folder)) {
    mkdirSync(folder, { mode: 0o700 });
    own(folder, account);
  }
  if (statSync(folder).uid !== account.uid) {
    throw new PayflowError('SERVER_NOT_STARTED', `${folder} belongs to somebody else`);
  }
  return folder;
}

function canEnter(folder: string, account: Account): boolean {
  return (
    spawnSync('/bin/sh', ['-c', 'cd "$0"', folder], { ...account, cwd: '/', stdio: 'ignore' }).status === 0
  );
}
