/** The shop that the journey goes through: its processes, and a look into its tills, its centre and its gateway. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { compareTill } from '../../../scripts/support/compare.ts';
import { startKafka } from '../../../scripts/support/kafka.ts';
import { startPostgres } from '../../../scripts/support/postgres.ts';
import { enterShop } from '../../../scripts/support/shop.ts';
import { Site } from '../../../scripts/support/site.ts';
import { until } from '../../../scripts/support/until.ts';
import { parseMapping } from '../../../services/shared/mapping/mapping-parser.ts';
import { schemaFile } from '../../../services/shared/paths.ts';

export const TILLS = [
  { id: 'T1', store: '1' },
  { id: 'T2', store: '1' },
  { id: 'T3', store: '2' },
  { id: 'OLD', store: '2' },
];

export class JourneyShop {
  readonly folder = mkdtempSync(join(tmpdir(), 'payflow-journey-'));
  readonly #undo: (() => Promise<void> | void)[] = [
    () => rmSync(this.folder, { recursive: true, force: true }),
  ];
  #site: Site | undefined;

  /** Brings up the centre; the tills are not started yet. After a failure, `stop` ends what did start. */
  async start(): Promise<void> {
    const postgres = await startPostgres();
    this.#undo.push(() => postgres.stop());
    const kafka = await startKafka();
    this.#undo.push(() => kafka.stop());
    const site = await Site.prepare({
      databaseUrl: postgres.url,
      brokers: kafka.brokers,
      folder: this.folder,
      tills: TILLS,
      env: { TOPIC_PREFIX: `journey${Date.now()}` },
      envOf: {
        gateway: { SYNC_SCHEDULE: '* * * * * *' },
        T3: { SYNC_MODE: 'scheduled' },
        T2: { SYNC_MODE: 'manual' },
      },
    });
    this.#site = site;
    this.#undo.push(() => site.stop());
    await enterShop(site.pool, { stores: 2, products: 20, customers: 5 });
    for (const service of ['capture', 'apply', 'gateway']) await site.start(service);
  }

  async stop(): Promise<void> {
    for (const undo of this.#undo.reverse()) await undo();
  }

  get site(): Site {
    if (this.#site === undefined) throw new Error('the shop is not started yet');
    return this.#site;
  }

  /** The file of a till, as its app opens it. */
  open(till: string): Database.Database {
    return new Database(this.site.tillFile(till), { timeout: 10_000 });
  }

  /** The first value that a query finds at a till. */
  value(till: string, sql: string): unknown {
    const db = this.open(till);
    try {
      return db.prepare(sql).pluck().get();
    } finally {
      db.close();
    }
  }

  /** The first value that a query finds at the centre. */
  async central(sql: string, ...parameters: unknown[]): Promise<unknown> {
    const { rows } = await this.site.pool.query<unknown[]>({
      text: sql,
      values: parameters,
      rowMode: 'array',
    });
    return rows[0]?.[0];
  }

  api(method: string, path: string, token: string | null, body?: unknown): Promise<Response> {
    return fetch(`${this.site.gatewayUrl}/api/v1${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  tillToken(till: string): string {
    const file = join(this.folder, `data-${till}`, 'terminal.json');
    return (JSON.parse(readFileSync(file, 'utf8')) as { token: string }).token;
  }

  /** Waits until a till and the centre show the same. @throws Error with the first differences */
  async equal(till: string): Promise<void> {
    const { store } = TILLS.find(({ id }) => id === till) ?? { store: '' };
    let shown = '';
    await until(
      async () => {
        const { differences } = await compareTill({
          pool: this.site.pool,
          mapping: parseMapping(readFileSync(schemaFile('mapping.yaml'), 'utf8')),
          terminalId: till,
          storeId: store,
          file: this.site.tillFile(till),
        });
        shown = differences
          .slice(0, 5)
          .map((difference) => JSON.stringify(difference))
          .join('\n');
        return differences.length === 0;
      },
      () => `${till} equal to the centre: ${shown}`,
      { deadlineMs: 60_000, everyMs: 200 },
    );
  }
}
