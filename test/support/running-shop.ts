/** A shop of one's own schema under `payflow up`, in this process: centre, embedded log, gateway and tills. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { startPostgres, type RunningPostgres } from '../../scripts/support/postgres.ts';
import { until } from '../../scripts/support/until.ts';
import { runCli } from '../../services/cli/program.ts';
import { Output } from '../../services/cli/terminal-output.ts';
import type { Environment } from '../../services/shared/config.ts';
import { payflow, type CliResult } from './cli.ts';

export interface ShopPlan {
  readonly central: string;
  readonly local: string;
  readonly mapping: string;
  /** Store by till. */
  readonly tills: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

export class RunningShop {
  readonly folder = mkdtempSync(join(tmpdir(), 'payflow-shop-'));
  readonly pool: pg.Pool;
  readonly #postgres: RunningPostgres;
  readonly #apps = new Map<string, Database.Database>();
  readonly #stop = new AbortController();
  #env: Environment;
  #up: Promise<number> = Promise.resolve(0);

  private constructor(postgres: RunningPostgres, plan: ShopPlan) {
    this.#postgres = postgres;
    this.pool = new pg.Pool({ connectionString: postgres.url, max: 4 });
    // A connection that is still closing when the server stops is no fault of the test.
    this.pool.on('error', () => undefined);
    const mappingFile = join(this.folder, 'mapping.yaml');
    writeFileSync(mappingFile, plan.mapping);
    this.#env = {
      DATABASE_URL: postgres.url,
      TOPIC_PREFIX: `shop_${Math.random().toString(36).slice(2, 8)}`,
      DATA_DIR: join(this.folder, 'data'),
      MAPPING_FILE: mappingFile,
      GATEWAY_PORT: '0',
      LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
      SYNC_SCHEDULE: '',
      ...plan.env,
    };
  }

  static async start(plan: ShopPlan): Promise<RunningShop> {
    const shop = new RunningShop(await startPostgres(), plan);
    await shop.pool.query(plan.central);
    for (const till of Object.keys(plan.tills)) {
      const app = new Database(shop.file(till));
      app.pragma('journal_mode = WAL');
      app.pragma('busy_timeout = 5000');
      app.exec(plan.local);
      shop.#apps.set(till, app);
    }
    await shop.#run(plan);
    return shop;
  }

  async #run({ tills }: ShopPlan): Promise<void> {
    let printed = '';
    let noted = '';
    const output = new Output({
      out: (text) => (printed += text),
      err: (text) => (noted += text),
      interactive: false,
    });
    const named = Object.entries(tills).flatMap(([till, store]) => [
      '--terminal',
      `${till}=${this.file(till)}@${store}`,
    ]);
    this.#up = runCli(['up', '--json', ...named], { env: this.#env, output, signal: this.#stop.signal });
    let ended = false;
    void this.#up.then(() => (ended = true));
    await until(
      () => ended || printed.includes('}\n'),
      () => `up is ready: ${noted}`,
    );
    if (ended) throw new Error(`up ended: ${noted}`);
    const { gatewayUrl } = JSON.parse(printed) as { gatewayUrl: string };
    this.#env = { ...this.#env, GATEWAY_URL: gatewayUrl };
  }

  get env(): Environment {
    return this.#env;
  }

  file(till: string): string {
    return join(this.folder, `${till}.db`);
  }

  /** The app's own connection. */
  app(till: string): Database.Database {
    const app = this.#apps.get(till);
    if (app === undefined) throw new Error(`no till ${till} in this shop`);
    return app;
  }

  payflow(...args: string[]): Promise<CliResult> {
    return payflow(args, this.#env);
  }

  /** Both directions, until they are through. */
  async sync(till: string): Promise<void> {
    const { code, stdout, stderr } = await this.payflow('sync', '--terminal', till, '--wait');
    if (code !== 0) throw new Error(`sync of ${till} → ${code}: ${stderr}${stdout}`);
  }

  /** Writes to a till's file as if our triggers were not there: nothing of it is recorded. */
  behindOurBack(till: string, sql: string): void {
    const app = this.app(till);
    app.transaction(() => {
      const triggers = app
        .prepare<[], { name: string; sql: string }>(
          `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%sync_outbox%'`,
        )
        .all();
      for (const { name } of triggers) app.exec(`DROP TRIGGER "${name}"`);
      app.exec(sql);
      for (const trigger of triggers) app.exec(trigger.sql);
    })();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#up;
    for (const app of this.#apps.values()) app.close();
    await this.pool.end();
    rmSync(this.folder, { recursive: true, force: true });
    await this.#postgres.stop();
  }
}
