/**
 * A whole installation of real processes on this machine: centre, log, gateway and tills, each service a
 * `payflow run …` child that can be killed and started again. Used by the benchmarks, the end-to-end tests
 * and the fault runs; it knows the product only by its commands and environment.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'better-sqlite3';
import pg from 'pg';
import { schemaFile } from '../../services/shared/paths.ts';
import { freePort } from '../../services/shared/database/free-port.ts';
import { builtProgram } from './built.ts';

export interface TillPlan {
  readonly id: string;
  readonly store: string;
}

export interface SiteOptions {
  readonly databaseUrl: string;
  readonly brokers: string;
  /** Everything the site writes goes here. */
  readonly folder: string;
  readonly tills: readonly TillPlan[];
  readonly mappingFile?: string;
  /** SQL that makes the business tables of the centre and of a till; the reference schemas by default. */
  readonly centralSchema?: string;
  readonly localSchema?: string;
  /** More environment for every process, and by name for one of them. */
  readonly env?: Readonly<Record<string, string>>;
  readonly envOf?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Makes the rows that are there before sync comes to the centre. */
  readonly beforeSetup?: ((pool: pg.Pool) => Promise<void>) | undefined;
  /** Tills get the processor time that nothing else wants; Linux and macOS. */
  readonly tillsStandBack?: boolean;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly exited: Promise<number | null>;
}

const READY_DEADLINE_MS = 90_000;
const STARTED_AT_ONCE = 4;
const STAND_BACK = ['nice', '-n', '19'];

export class Site {
  readonly options: SiteOptions;
  readonly pool: pg.Pool;
  readonly gatewayPort: number;
  readonly #running = new Map<string, Running>();
  readonly #databasePorts = new Map<string, number>();
  readonly #program = builtProgram('services', 'cli', 'main.js');
  #output: string[] = [];

  private constructor(options: SiteOptions, gatewayPort: number) {
    this.options = options;
    this.gatewayPort = gatewayPort;
    this.pool = new pg.Pool({ connectionString: options.databaseUrl, max: 5 });
    // An idle connection dies with a killed server; the next query opens another.
    this.pool.on('error', (error) => this.#output.push(`pool: ${error.message}`));
  }

  /** Makes the schemas, runs `setup`, registers the tills and lays their files; starts no service yet. */
  static async prepare(options: SiteOptions): Promise<Site> {
    mkdirSync(options.folder, { recursive: true });
    const site = new Site(options, await freePort());
    await site.pool.query(
      options.centralSchema ?? readFileSync(schemaFile('postgres', 'reference.sql'), 'utf8'),
    );
    await options.beforeSetup?.(site.pool);
    await site.must('setup');
    for (const till of options.tills) {
      const db = new Database(site.tillFile(till.id));
      db.pragma('journal_mode = WAL');
      db.exec(options.localSchema ?? readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
      db.close();
    }
    return site;
  }

  tillFile(id: string): string {
    return join(this.options.folder, `${id}.db`);
  }

  get gatewayUrl(): string {
    return `http://127.0.0.1:${this.gatewayPort}`;
  }

  /** What the processes and commands printed lately, newest last; for the report of a failure. */
  get output(): readonly string[] {
    return this.#output;
  }

  /** @param name `capture`, `apply`, `gateway` or a till's id */
  async start(name: string): Promise<void> {
    const running = this.#spawn(name);
    this.#running.set(name, running);
    await running.ready;
  }

  /** Registers the till once and lets its agent enrol by itself at its first start. */
  async startTill(id: string): Promise<void> {
    const till = this.options.tills.find((candidate) => candidate.id === id);
    if (till === undefined) throw new Error(`no till ${id} in this site`);
    let code: string | undefined;
    if (!existsSync(join(this.#dataDir(id), 'terminal.key'))) {
      const printed = await this.must('terminals', 'register', '--terminal', till.id, '--store', till.store);
      code = /^ENROLMENT_CODE=(.+)$/m.exec(printed)?.[1];
    }
    const running = this.#spawn(id, code === undefined ? {} : { ENROLMENT_CODE: code });
    this.#running.set(id, running);
    await running.ready;
  }

  /** Registers and starts tills that are new here, a few at a time; those that are enrolled only start. */
  async startTills(ids: readonly string[]): Promise<void> {
    const codes = await this.#register(
      ids.filter((id) => !existsSync(join(this.#dataDir(id), 'terminal.key'))),
    );
    for (let first = 0; first < ids.length; first += STARTED_AT_ONCE) {
      const some = ids.slice(first, first + STARTED_AT_ONCE);
      await Promise.all(
        some.map(async (id) => {
          const code = codes.get(id);
          const running = this.#spawn(id, code === undefined ? {} : { ENROLMENT_CODE: code });
          this.#running.set(id, running);
          await running.ready;
        }),
      );
    }
  }

  /** @returns the enrolment codes, by till */
  async #register(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (ids.length === 0) return new Map();
    const file = join(this.options.folder, 'tills.csv');
    const lines = this.options.tills
      .filter(({ id }) => ids.includes(id))
      .map(({ id, store }) => `${id},${store}`);
    writeFileSync(file, ['terminal,store', ...lines, ''].join('\n'));
    const printed = await this.must('terminals', 'register', '--from', file, '--json');
    const registered = JSON.parse(printed) as { terminalId: string; enrolmentCode: string }[];
    return new Map(registered.map(({ terminalId, enrolmentCode }) => [terminalId, enrolmentCode]));
  }

  /**
   * Starts a till's agent that may not become ready by itself; `ready` waits for it.
   * @param name of a second installation of the till, with files of its own
   */
  launch(
    id: string,
    { name = id, env = {} }: { name?: string; env?: Readonly<Record<string, string>> } = {},
  ): void {
    const running = this.#spawn(id, env);
    running.ready.catch((error: unknown) => this.note(`${name}: ${String(error)}`));
    this.#running.set(name, running);
  }

  async ready(name: string): Promise<void> {
    await this.#running.get(name)?.ready;
  }

  /** Where identity, key and agent file of a till lie. */
  dataDir(name: string): string {
    return this.#dataDir(name);
  }

  /** Runs another program in the agent's place, with its environment, until it dies by itself. */
  async runInPlaceOf(id: string, program: string, extra: Readonly<Record<string, string>>): Promise<void> {
    const running = this.#spawn(id, extra, [program]);
    running.ready.catch((error: unknown) => this.note(`${id}: ${String(error)}`));
    await running.exited;
  }

  /** From its next start on, the service reaches PostgreSQL through this local port (a proxy). */
  routeDatabase(name: string, port: number): void {
    this.#databasePorts.set(name, port);
  }

  /** How many rows a till's table holds now. */
  localCount(id: string, table: string): number {
    const db = new Database(this.tillFile(id), { readonly: true });
    try {
      return db.prepare<[], number>(`SELECT count(*) FROM "${table}"`).pluck().get() ?? 0;
    } finally {
      db.close();
    }
  }

  pid(name: string): number | undefined {
    return this.#running.get(name)?.child.pid;
  }

  /** kill -9, and waits until the process is gone. */
  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const running = this.#running.get(name);
    if (running === undefined) return;
    this.#running.delete(name);
    running.child.kill(signal);
    await running.exited;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.kill(name, 'SIGTERM')));
    await this.pool.end();
  }

  /** Runs a command of the centre and gives its output. */
  async command(...args: string[]): Promise<CommandResult> {
    const child = spawn(process.execPath, [this.#program, ...args], {
      env: this.#env('centre'),
      stdio: 'pipe',
    });
    const stdout: string[] = [];
    const stderr: string[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code: code ?? -1, stdout: stdout.join(''), stderr: stderr.join('') };
  }

  /** @returns stdout; @throws Error with stderr unless the command exits 0. */
  async must(...args: string[]): Promise<string> {
    const result = await this.command(...args);
    if (result.code !== 0)
      throw new Error(`payflow ${args.join(' ')} → ${result.code}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  #dataDir(name: string): string {
    return join(this.options.folder, `data-${name}`);
  }

  #env(name: string, extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
    const till = this.options.tills.some((candidate) => candidate.id === name);
    const side = till
      ? { TERMINAL_ID: name, TERMINAL_DB: this.tillFile(name) }
      : { DATABASE_URL: this.#databaseUrl(name) };
    return {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_ENV: 'production',
      KAFKA_BROKERS: this.options.brokers,
      MAPPING_FILE: this.options.mappingFile ?? schemaFile('mapping.yaml'),
      DATA_DIR: this.#dataDir(name),
      GATEWAY_URL: this.gatewayUrl,
      GATEWAY_PORT: String(this.gatewayPort),
      SYNC_SCHEDULE: '',
      ...side,
      ...this.options.env,
      ...this.options.envOf?.[name],
      ...extra,
    };
  }

  #databaseUrl(name: string): string {
    const port = this.#databasePorts.get(name);
    if (port === undefined) return this.options.databaseUrl;
    const url = new URL(this.options.databaseUrl);
    url.host = `127.0.0.1:${port}`;
    return url.toString();
  }

  #spawn(name: string, extra: Readonly<Record<string, string>> = {}, program?: readonly string[]): Running {
    const till = this.options.tills.some((candidate) => candidate.id === name);
    const back = till && this.options.tillsStandBack === true ? STAND_BACK : [];
    const [command = '', ...args] = [
      ...back,
      process.execPath,
      ...(program ?? [this.#program, 'run', till ? 'terminal' : name]),
    ];
    const child = spawn(command, args, {
      env: this.#env(name, extra),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(child, 'close').then(([code]) => code as number | null);
    const ready = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${name} was not ready in time\n${this.#tail()}`)),
        READY_DEADLINE_MS,
      );
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        finish();
      };
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          this.note(`${name}: ${line}`);
          if (/"msg":"ready"/.test(line)) settle(resolve);
        });
      }
      void exited.then((code) =>
        settle(() => reject(new Error(`${name} ended with ${code} before it was ready\n${this.#tail()}`))),
      );
    });
    return { child, ready, exited };
  }

  /** A line among those of the processes, so that a report shows what was done when. */
  note(line: string): void {
    this.#output.push(line);
    if (this.#output.length > 2_000) this.#output = this.#output.slice(-1_000);
  }

  #tail(): string {
    return this.#output.slice(-15).join('\n');
  }
}
