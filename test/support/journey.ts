/**
 * A whole small installation, each service with an environment of its own: setup, register, enrol, push, pull, sync
 * and status in the order of the manual. All run in this process, so that it starts within seconds.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import Database from 'better-sqlite3';
import pg from 'pg';
import { until } from '../../scripts/support/until.ts';
import { runService } from '../../services/cli/process-services.ts';
import { Cli } from '../../services/cli/cli.ts';
import { Output } from '../../services/cli/terminal-output.ts';
import { ensureEnrolled } from '../../services/cli/till/till-start.ts';
import { loadConfig, type Environment } from '../../services/shared/config.ts';
import { HealthBoard } from '../../services/shared/health.ts';
import { openEventLog } from '../../services/shared/log/open-event-log.ts';
import { createLogger } from '../../services/shared/logging.ts';
import { freePort } from '../../services/shared/database/free-port.ts';
import { schemaFile } from '../../services/shared/paths.ts';
import { payflow, type CliResult } from './cli.ts';

/** Of a cashier; `sensitive:` in the reference mapping. */
export const PIN_HASH = 'pin-hash-of-ada-4711';

export type JourneyService = 'capture' | 'apply' | 'gateway' | 'terminal';

export class Journey {
  readonly folder = mkdtempSync(join(tmpdir(), 'payflow-journey-'));
  readonly pool: pg.Pool;
  readonly tillFile = join(this.folder, 'till.db');
  /** Everything that every process printed. */
  readonly printed: string[] = [];
  readonly #admin: Environment;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #lines: string[] = [];
  readonly #log = createLogger({
    level: 'debug',
    pretty: false,
    destination: new Writable({
      write: (chunk: Buffer, _, done) => {
        this.#lines.push(chunk.toString());
        done();
      },
    }),
  });
  #gatewayPort = 0;

  /** @param admin the environment of whoever sets up the centre */
  constructor(admin: Environment & { readonly DATABASE_URL: string }) {
    this.#admin = admin;
    this.pool = new pg.Pool({ connectionString: admin.DATABASE_URL, max: 2 });
    this.pool.on('error', () => undefined);
  }

  /** As the manual has it, by the owner of the database. */
  async payflow(args: readonly string[], env: Environment = {}): Promise<CliResult> {
    const result = await payflow(args, { ...this.#common(), LOG_LEVEL: 'silent', ...this.#admin, ...env });
    this.printed.push(result.stdout, result.stderr);
    return result;
  }

  /** @throws Error unless the command says yes */
  async must(args: readonly string[], env: Environment = {}): Promise<string> {
    const { code, stdout, stderr } = await this.payflow(args, env);
    if (code !== 0) throw new Error(`payflow ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  async makeShop(): Promise<void> {
    await this.pool.query(readFileSync(schemaFile('postgres', 'reference.sql'), 'utf8'));
    await this.pool.query("INSERT INTO products (sku, name, price) VALUES ('A-1', 'Apple', 1.25)");
    await this.pool.query("INSERT INTO stores (code, name) VALUES ('S1', 'First')");
    await this.pool.query(
      `INSERT INTO users (store_id, username, full_name, pin_hash) SELECT id, 'ada', 'Ada', '${PIN_HASH}' FROM stores`,
    );
    const db = new Database(this.tillFile);
    db.pragma('journal_mode = WAL');
    db.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
    db.close();
  }

  /** As `payflow run <name>` does it. */
  async start(name: JourneyService, env: Environment): Promise<void> {
    if (this.#gatewayPort === 0) this.#gatewayPort = await freePort();
    const config = loadConfig({ ...this.#common(), ...env });
    const { signal } = this.#stop;
    if (name === 'terminal') {
      const print = (text: string) => void this.printed.push(text);
      const output = new Output({ out: print, err: print, interactive: false });
      await ensureEnrolled(new Cli({ env: { ...this.#common(), ...env }, output, signal }), this.tillFile);
    }
    const health = new HealthBoard();
    const eventLog =
      name === 'gateway' ? undefined : openEventLog(config, { clientId: `journey-${name}`, log: this.#log });
    const running = runService(name, config, {
      log: this.#log.child({ service: name }),
      signal,
      health: health.scope(name, (part) => part),
      ...(eventLog && { eventLog }),
    }).finally(() => eventLog?.close());
    this.#running.push(running);
    const failed = running.then(() => Promise.reject(new Error(`${name} has ended: ${this.trouble()}`)));
    failed.catch(() => undefined);
    await Promise.race([failed, health.whenReady(signal)]);
  }

  get gatewayUrl(): string {
    return `http://127.0.0.1:${this.#gatewayPort}`;
  }

  /** A sale on the till reaches the centre, a new name of a product the till, and `sync` says so. */
  async sellAndRename(): Promise<void> {
    const onTill = () => this.local<{ name: string }>("SELECT name FROM products WHERE sku = 'A-1'");
    await until(
      () => onTill().length === 1,
      () => `the product on the till: ${this.trouble()}`,
    );
    this.onTill("INSERT INTO customers (full_name, email) VALUES ('Grace', 'grace@example.org')");
    await until(
      async () =>
        (await this.pool.query("SELECT FROM customers WHERE email = 'grace@example.org'")).rowCount === 1,
      () => `the customer at the centre: ${this.trouble()}`,
    );
    await this.pool.query("UPDATE products SET name = 'Green apple' WHERE sku = 'A-1'");
    await this.must(['sync', '--terminal', 'till-1', '--wait'], { GATEWAY_URL: this.gatewayUrl });
    await until(
      () => onTill()[0]?.name === 'Green apple',
      () => `the new name: ${this.trouble()}`,
    );
  }

  onTill(sql: string): void {
    const db = new Database(this.tillFile);
    db.exec(sql);
    db.close();
  }

  local<T>(sql: string): T[] {
    const db = new Database(this.tillFile);
    try {
      return db.prepare<[], T>(sql).all();
    } finally {
      db.close();
    }
  }

  /** What the services complained of. */
  trouble(): string {
    return this.lines
      .filter((line) => !line.includes('"level":30'))
      .slice(-20)
      .join('\n');
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running);
    await this.pool.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #common(): Environment {
    return {
      DATA_DIR: join(this.folder, 'data'),
      GATEWAY_PORT: String(this.#gatewayPort),
      SYNC_SCHEDULE: '',
    };
  }
}
