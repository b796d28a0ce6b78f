/**
 * Where what belongs to a till lies (identity, key, agent file): in `.payflow/terminals/<id>` beside its payflow.db,
 * wherever the agent is started, unless DATA_DIR says otherwise. Before, it lay under the folder that the agent was
 * started in: an installation found there moves, since enrolling it anew would leave its units behind.
 *
 * Crashes on the way: the agent file goes first, the identity last, and each file moves whole, so that a second start
 * finds the rest in the old place and goes on.
 */
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { openDatabase, realDatabasePath, type SqliteDatabase } from '../../shared/database/sqlite.ts';
import { makeDataDir } from '../../shared/data-dir.ts';
import { PayflowError } from '../../shared/errors.ts';
import { isEnrolled, loadIdentity } from '../../terminal-agent/identity.ts';
import { metaBefore } from '../../terminal-agent/till/file-facts.ts';
import type { Cli } from '../cli.ts';
import { withTillFile } from './till-file.ts';

export interface TillPlace {
  readonly dataDir: string;
  /** A till that does not know its id yet: its key is made here, and all of it moves once the centre has said it. */
  readonly isPending: boolean;
}

interface PlaceOptions {
  /** Its payflow.db. */
  readonly file: string;
  readonly terminalId: string | undefined;
  /** Nobody else has the file: only then may anything be moved. Otherwise the old place is used as it is. */
  readonly isHeld: boolean;
}

/** Relative to the folder that the program is started in, as the version before had it. */
const OLD_FOLDER = '.payflow';
const FOLDER = join('.payflow', 'terminals');
const PENDING = '.new';

/** @throws PayflowError TERMINAL_DB_…, CONFIG_INVALID */
export function tillPlace(cli: Cli, options: PlaceOptions): TillPlace {
  if (isDataDirSet(cli)) return { dataDir: cli.config.dataDir, isPending: false };
  return beside(cli, options);
}

/** The same under `up`, where DATA_DIR is the folder of all that runs in it. */
export function tillPlaceUnderUp(cli: Cli, options: PlaceOptions & { terminalId: string }): TillPlace {
  const { dataDir } = cli.config;
  if (!isDataDirSet(cli)) return beside(cli, options);
  return { dataDir: join(dataDir, 'terminals', options.terminalId), isPending: false };
}

export function isDataDirSet({ env }: Pick<Cli, 'env'>): boolean {
  return (env['DATA_DIR'] ?? '') !== '';
}

/** Where the identity of the till lies to which an open file belongs; undefined: it has none here. */
export function identityOf(cli: Cli, db: SqliteDatabase): string | undefined {
  const terminalId = metaBefore(db, 'terminal_id');
  const place =
    terminalId === undefined || isDataDirSet(cli) ? undefined : join(dirname(db.name), FOLDER, terminalId);
  return [place, cli.config.dataDir].find((folder) => folder !== undefined && isEnrolled(folder));
}

/** Once the centre has said which till it is. @returns where it lies from now on */
export function settlePlace({ dataDir, isPending }: TillPlace): string {
  if (!isPending) return dataDir;
  const settled = join(dirname(dataDir), loadIdentity(dataDir).terminalId);
  renameSync(dataDir, settled);
  return settled;
}

function beside(cli: Cli, { file, terminalId, isHeld }: PlaceOptions): TillPlace {
  const root = join(dirname(realDatabasePath(file)), FOLDER);
  const id = terminalId ?? ownerOf(file) ?? onlyTillIn(root) ?? idInOldPlace();
  if (id === undefined) return { dataDir: join(root, PENDING), isPending: true };
  const dataDir = join(root, id);
  const old = isEnrolled(dataDir) ? undefined : oldPlaceOf(id, dataDir);
  if (old !== undefined && !isHeld) return { dataDir: old, isPending: false };
  if (old !== undefined) moveTill({ from: old, to: dataDir, terminalId: id }, cli);
  return { dataDir, isPending: false };
}

/** The till that the file belongs to, where an agent has had it. */
function ownerOf(file: string): string | undefined {
  return withTillFile(file, (db) => metaBefore(db, 'terminal_id'));
}

function onlyTillIn(root: string): string | undefined {
  const found = existsSync(root)
    ? readdirSync(root).filter((name) => name !== PENDING && isEnrolled(join(root, name)))
    : [];
  if (found.length > 1) {
    throw new PayflowError(
      'CONFIG_INVALID',
      `${root} holds ${found.join(', ')}: TERMINAL_ID must say which`,
      {
        details: { variables: ['TERMINAL_ID'] },
      },
    );
  }
  return found[0];
}

function idInOldPlace(): string | undefined {
  const folder = resolve(OLD_FOLDER);
  return isEnrolled(folder) ? loadIdentity(folder).terminalId : undefined;
}

function oldPlaceOf(terminalId: string, dataDir: string): string | undefined {
  const candidates = [resolve(OLD_FOLDER), resolve(FOLDER, terminalId)];
  return candidates.find(
    (folder) => folder !== dataDir && isEnrolled(folder) && loadIdentity(folder).terminalId === terminalId,
  );
}

function moveTill(
  { from, to, terminalId }: { from: string; to: string; terminalId: string },
  { output }: Pick<Cli, 'output'>,
): void {
  makeDataDir(to, 'private');
  const agentFile = `${terminalId}.agent.db`;
  if (existsSync(join(from, agentFile))) {
    // Its write-ahead log goes into it, and away with the last connection.
    openDatabase(join(from, agentFile), { mustExist: true }).close();
  }
  for (const name of [agentFile, 'terminal.key', 'terminal.json']) {
    if (existsSync(join(from, name))) renameSync(join(from, name), join(to, name));
  }
  output.note(`what belongs to ${terminalId} was moved from ${from} to ${to}, beside its payflow.db`);
}
