/** Faults of a till's files. Each goes on by itself, but where two of them live: that an operator decides. */
import { NEWEST_ENTRY_SQL, OPEN_ENTRIES_SQL } from '../../services/terminal-agent/file/outbox-schema.ts';
import { copyFileSync, cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Site } from '../../scripts/support/site.ts';
import { until } from '../../scripts/support/until.ts';
import type { Fault, FaultContext } from './faults.ts';

const TILL = 'T1';
const PARTS = ['', '-wal', '-shm'];
const NOTICED = { deadlineMs: 180_000, everyMs: 200 };

export const FILE_FAULTS: readonly Fault[] = [
  {
    name: 'agent file lost',
    async make({ site }) {
      await loseAgentFile(site);
      await goesOn(site);
    },
  },
  {
    name: 'agent file lost, kill -9 of agent and apply while it goes on',
    async make({ site, random }) {
      await loseAgentFile(site);
      for (let n = 0; n < 3; n += 1) {
        await pause(random() * 1_000);
        await site.kill('apply');
        await pause(random() * 500);
        await site.kill(TILL);
        site.launch(TILL);
        await site.start('apply');
      }
      await goesOn(site);
    },
  },
  restored('from a copy while the agent is away', async ({ site, load }, kept) => {
    await site.kill(TILL);
    put(kept, site.tillFile(TILL));
    load.resume(TILL, `${TILL}b`);
    site.launch(TILL);
  }),
  restored('from a copy, its app sells before the agent looks', async ({ site, load, random }, kept) => {
    await site.kill(TILL);
    put(kept, site.tillFile(TILL));
    const before = load.soldSoFar;
    load.resume(TILL, `${TILL}b`);
    await until(() => load.soldSoFar > before + 5 + random() * 30, 'sales in the restored file', NOTICED);
    site.launch(TILL);
  }),
  restored('by SQLite’s backup while the agent runs', async ({ site, load }, kept) => {
    const file = site.tillFile(TILL);
    // Beside a commit of the agent a backup may end without a word and without effect.
    await until(
      async () => {
        await copyDatabase(kept, file);
        return newestEntry(file) === newestEntry(kept);
      },
      'the copy stands in the file',
      NOTICED,
    );
    load.resume(TILL, `${TILL}b`);
  }),
  restored('by a rename while the agent runs', ({ site, load }, kept) => {
    const file = site.tillFile(TILL);
    for (const part of PARTS.slice(1)) rmSync(file + part, { force: true });
    renameSync(kept, file);
    load.resume(TILL, `${TILL}b`);
    return Promise.resolve();
  }),
  restored('from a copy, its agent file is lost too', async ({ site, load }, kept) => {
    await site.kill(TILL);
    put(kept, site.tillFile(TILL));
    for (const part of PARTS) rmSync(agentFile(site.dataDir(TILL)) + part, { force: true });
    load.resume(TILL, `${TILL}b`);
    site.launch(TILL);
  }),
  restored('with its agent file, as a snapshot of the disk', async ({ site, load, random }, kept) => {
    await site.kill(TILL);
    put(kept, site.tillFile(TILL));
    put(keptAgentFile(kept), agentFile(site.dataDir(TILL)));
    const before = load.soldSoFar;
    load.resume(TILL, `${TILL}b`);
    if (random() < 0.5)
      await until(() => load.soldSoFar > before + 10, 'sales in the restored file', NOTICED);
    site.launch(TILL);
  }),
  {
    name: 'payflow.db restored in turns with what it was then, kill -9 in between',
    async make({ site, load, random }) {
      const other = join(site.options.folder, 'other.db');
      await copyDatabase(site.tillFile(TILL), other);
      for (let turn = 1; turn <= 4; turn += 1) {
        const before = load.soldSoFar;
        await until(() => load.soldSoFar > before + 20, 'sales that the other file does not hold', NOTICED);
        await load.pause(TILL);
        await until(() => open(site.tillFile(TILL)) === 0, 'all that was sold has arrived', NOTICED);
        await site.kill(TILL);
        await swap(site.tillFile(TILL), other);
        load.resume(TILL, `${TILL}t${turn}`);
        site.launch(TILL);
        await pause(random() * 2_000);
        await site.kill(TILL);
        site.launch(TILL);
      }
      await goesOn(site);
    },
  },
  {
    name: 'a schema tool drops all that is ours',
    async make({ site, load }) {
      const before = load.soldSoFar;
      await until(() => load.soldSoFar > before + 20, 'sales that are on their way', NOTICED);
      // What the app would sell meanwhile fails, and it is the app that is told so.
      await load.pause(TILL);
      dropOurs(site.tillFile(TILL));
      await until(() => isRecorded(site.tillFile(TILL)), 'sales are recorded again', NOTICED);
      load.resume(TILL);
      await goesOn(site);
    },
  },
  {
    name: 'a clone lives on beside its original',
    async make(context) {
      const { site, load } = context;
      const copy = await cloneTill(context);
      const sold = load.soldSoFar;
      for (let n = 0; n < 10; n += 1) {
        load.sellAtCopy(copy.file, 'COPY', 2);
        await pause(100);
      }
      await until(() => load.soldSoFar > sold + 10, 'sales of the original beside those of the clone');
      await until(() => isFenced(site), 'the clone is noticed', NOTICED);
      await unfence(site);
      await site.ready(TILL);
      load.sellAtCopy(copy.file, 'COPY', 5);
      await pause(1_000);
      await site.kill(copy.name);
    },
  },
];

/** payflow.db becomes what it was some sales ago, after all that it holds has arrived. */
function restored(how: string, restore: (context: FaultContext, kept: string) => Promise<void>): Fault {
  return {
    name: `payflow.db restored ${how}`,
    async make(context) {
      const { site, load } = context;
      const kept = join(site.options.folder, 'kept.db');
      await copyDatabase(site.tillFile(TILL), kept);
      await copyDatabase(agentFile(site.dataDir(TILL)), keptAgentFile(kept));
      const before = load.soldSoFar;
      await until(() => load.soldSoFar > before + 40, 'sales that the copy does not hold', NOTICED);
      await load.pause(TILL);
      await until(() => open(site.tillFile(TILL)) === 0, 'all that was sold has arrived', NOTICED);
      const named = nameIn(site.dataDir(TILL));
      await restore(context, kept);
      await until(
        () => !['', named].includes(nameIn(site.dataDir(TILL))),
        'the file has another name',
        NOTICED,
      );
      await goesOn(site);
    },
  };
}

function keptAgentFile(kept: string): string {
  return `${kept}.agent`;
}

function put(kept: string, file: string): void {
  for (const part of PARTS) rmSync(file + part, { force: true });
  copyFileSync(kept, file);
}

/** Nobody has either open. */
async function swap(file: string, other: string): Promise<void> {
  const aside = `${file}.aside`;
  await copyDatabase(file, aside);
  put(other, file);
  renameSync(aside, other);
}

/** Nobody has to decide anything. */
async function goesOn(site: Site): Promise<void> {
  const sql = `SELECT FROM payflow_sync.progress p JOIN payflow_sync.incarnation i USING (terminal_id, incarnation)
                WHERE terminal_id = $1 AND incarnation = $2 AND standing = 'ok'`;
  await until(
    async () => (await site.pool.query(sql, [TILL, nameIn(site.dataDir(TILL))])).rowCount === 1,
    'the file goes on by itself',
    NOTICED,
  );
  await site.ready(TILL);
}

async function loseAgentFile(site: Site): Promise<void> {
  // A file of whose till the centre knows nothing goes on by itself.
  await until(
    async () => {
      const sql = 'SELECT FROM payflow_sync.progress WHERE terminal_id = $1 AND last_unit > 0';
      return (await site.pool.query(sql, [TILL])).rowCount === 1;
    },
    'something of the till has arrived',
    NOTICED,
  );
  await site.kill(TILL);
  for (const part of PARTS) rmSync(agentFile(site.dataDir(TILL)) + part, { force: true });
  site.launch(TILL);
}

async function cloneTill({ site, load }: FaultContext): Promise<{ name: string; file: string }> {
  const name = `${TILL}-clone`;
  const folder = join(site.options.folder, name);
  mkdirSync(folder);
  await load.pause(TILL);
  await site.kill(TILL);
  const file = join(folder, 'payflow.db');
  for (const part of PARTS) {
    if (existsSync(site.tillFile(TILL) + part)) copyFileSync(site.tillFile(TILL) + part, file + part);
  }
  const data = join(folder, 'data');
  cpSync(site.dataDir(TILL), data, { recursive: true });
  load.resume(TILL);
  await site.startTill(TILL);
  site.launch(TILL, { name, env: { TERMINAL_DB: file, DATA_DIR: data } });
  return { name, file };
}

/** The original's, once it knows that it is fenced and has announced its new name. */
async function fencedName(site: Site): Promise<string> {
  let name = '';
  await until(
    async () => {
      name = nameIn(site.dataDir(TILL));
      const found = await site.pool.query(
        "SELECT FROM payflow_sync.incarnation WHERE terminal_id = $1 AND incarnation = $2 AND state = 'waiting'",
        [TILL, name],
      );
      return found.rowCount === 1;
    },
    'the till has announced itself',
    NOTICED,
  );
  return name;
}

async function unfence(site: Site): Promise<void> {
  await site.must('terminals', 'unfence', TILL, '--incarnation', await fencedName(site));
}

/** Asked of the database: a command for each look would be most of the load. */
async function isFenced({ pool }: Site): Promise<boolean> {
  const found = await pool.query(
    "SELECT FROM payflow_sync.terminal WHERE terminal_id = $1 AND status = 'fenced'",
    [TILL],
  );
  return found.rowCount === 1;
}

function agentFile(dataDir: string): string {
  return join(dataDir, `${TILL}.agent.db`);
}

/** '' while the agent is making its file. */
function nameIn(dataDir: string): string {
  if (!existsSync(agentFile(dataDir))) return '';
  const db = new Database(agentFile(dataDir), { readonly: true });
  try {
    if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'meta'").get() === undefined) return '';
    return db.prepare<[], string>("SELECT value FROM meta WHERE name = 'incarnation'").pluck().get() ?? '';
  } finally {
    db.close();
  }
}

function open(file: string): number {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare<[], number>(OPEN_ENTRIES_SQL).pluck().get() ?? 0;
  } finally {
    db.close();
  }
}

function newestEntry(file: string): number {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare<[], number>(`SELECT ${NEWEST_ENTRY_SQL}`).pluck().get() ?? 0;
  } finally {
    db.close();
  }
}

async function copyDatabase(from: string, to: string): Promise<void> {
  const db = new Database(from, { readonly: true });
  try {
    await db.backup(to);
  } finally {
    db.close();
  }
}

function dropOurs(file: string): void {
  const db = new Database(file);
  try {
    const ours = `SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'sync_*'`;
    const names = db.prepare<[], string>(ours).pluck().all();
    db.exec(`BEGIN IMMEDIATE; ${names.map((name) => `DROP TABLE "${name}";`).join(' ')} COMMIT`);
  } finally {
    db.close();
  }
}

function isRecorded(file: string): boolean {
  const db = new Database(file, { readonly: true });
  try {
    const tables = `SELECT count(*) FROM sqlite_master WHERE name IN ('sync_outbox', 'sync_silence', 'sync_delta')`;
    return db.prepare<[], number>(tables).pluck().get() === 3;
  } finally {
    db.close();
  }
}

/** Not to wait for something, but to let the fault come at another moment each time. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
