/** How long it takes to compare a large table of a till with the centre, with nothing and with one row that differs. */
import Database from 'better-sqlite3';
import type { Site } from '../support/site.ts';
import { until } from '../support/until.ts';
import type { Figure } from './figures.ts';
import { MemoryWatch } from './memory.ts';

export interface VerifyOptions {
  readonly site: Site;
  /** Of products, at the centre before setup. */
  readonly rows: number;
  readonly say: (line: string) => void;
}

const TILL = 'T1';
const MOST_MS = 60_000;
const READING_MB = 300;
const WITHIN_MS = 1_200_000;

export async function benchVerify({ site, rows, say }: VerifyOptions): Promise<Figure[]> {
  for (const service of ['gateway', 'apply', 'capture']) await site.start(service);
  await site.startTill(TILL);
  say(`${rows} rows come to the till`);
  await until(
    () => site.localCount(TILL, 'products') >= rows,
    () => `all rows on the till, ${site.localCount(TILL, 'products')} of ${rows}`,
    { deadlineMs: WITHIN_MS, everyMs: 1_000 },
  );
  await site.must('sync', '--terminal', TILL, '--wait', '--timeout', '600');
  // What reading the stream has taken is none of the comparison's.
  const before = new MemoryWatch(site, { 'agent, before it': TILL }, READING_MB).stop();
  const memory = new MemoryWatch(site, { gateway: 'gateway', apply: 'apply', agent: TILL }, READING_MB);
  try {
    say('comparing');
    const same = await timed(site, { code: 0 });
    const db = new Database(site.tillFile(TILL));
    try {
      db.exec(`BEGIN; INSERT INTO sync_silence VALUES (1); UPDATE products SET name = name || 'x' WHERE id = 1;
        DELETE FROM sync_silence; COMMIT`);
    } finally {
      db.close();
    }
    const differing = await timed(site, { code: 1 });
    return [
      { name: 'both sides are the same', value: same, unit: 'ms', most: MOST_MS },
      { name: 'one row differs', value: differing, unit: 'ms', most: MOST_MS },
      ...before,
      ...memory.stop(),
    ];
  } finally {
    memory.stop();
  }
}

/** @param code how the command has to end @returns ms */
async function timed(site: Site, { code }: { readonly code: number }): Promise<number> {
  const started = performance.now();
  const result = await site.command('verify', '--terminal', TILL, '--table', 'products');
  const ms = performance.now() - started;
  if (result.code !== code) throw new Error(`verify → ${result.code}: ${result.stderr}${result.stdout}`);
  return ms;
}
