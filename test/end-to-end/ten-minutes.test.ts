/**
 * The README's "Ten minutes", as they stand there: every block is run by a shell, in its order, in a folder that holds
 * nothing but an existing payflow.db. Then both sides are compared by a judge of its own.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareTill } from '../../scripts/support/compare.ts';
import { startPostgres, type RunningPostgres } from '../../scripts/support/postgres.ts';
import { until } from '../../scripts/support/until.ts';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';
import { packageRoot } from '../../services/shared/paths.ts';
import { SEEDED_SHOP } from '../integration/cli/mapping-draft/shops/seeded.ts';

interface Step {
  readonly commands: string;
  /** Lines that its output has, in this order. */
  readonly shown: readonly string[];
}

/** A block of commands, and the block of text behind it. */
function stepsOf(readme: string): Step[] {
  const [, section = ''] = /\n## Ten minutes\n([\s\S]*?)\n## /.exec(readme) ?? [];
  const blocks = [...section.matchAll(/^```(sh|text)\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap(([, kind, commands = ''], at) => {
    if (kind !== 'sh') return [];
    const [, next, shown = ''] = blocks[at + 1] ?? [];
    return [{ commands, shown: next === 'text' ? shown.trimEnd().split('\n') : [] }];
  });
}

let postgres: RunningPostgres;
let pool: pg.Pool;
let folder: string;
let running: ChildProcess | undefined;
let runningOutput = '';

beforeAll(async () => {
  postgres = await startPostgres();
  pool = new pg.Pool({ connectionString: postgres.url });
  // One that is still closing when the server stops is no fault of the test.
  pool.on('error', () => undefined);
  await SEEDED_SHOP.enterCentre(pool);
  folder = mkdtempSync(join(tmpdir(), 'payflow-ten-'));
  const db = new Database(join(folder, 'payflow.db'));
  db.transaction(() => SEEDED_SHOP.enterTill(db))();
  db.close();
  mkdirSync(join(folder, 'scripts'));
  const shim = join(folder, 'scripts', 'payflow');
  const program = join(packageRoot(), 'services', 'cli', 'main.ts');
  writeFileSync(shim, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
  chmodSync(shim, 0o755);
});

afterAll(async () => {
  if (running?.exitCode === null) {
    const ended = new Promise((resolve) => running?.once('exit', resolve));
    running.kill('SIGTERM');
    await ended;
  }
  await pool?.end();
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** As a person who has exported DATABASE_URL; what a block exports is there in the next one. */
function shell(commands: string, exported: readonly string[]): ChildProcess {
  const script = ['set -e', ...exported, commands.replace(/^(.*payflow up .*)$/m, 'exec env $1')].join('\n');
  return spawn('sh', ['-c', script], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, DATABASE_URL: postgres.url, GATEWAY_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function collect(child: ChildProcess, onText: (text: string) => void): Promise<number | null> {
  child.stdout?.setEncoding('utf8').on('data', onText);
  child.stderr?.setEncoding('utf8').on('data', onText);
  return new Promise((resolve) => child.once('close', resolve));
}

/** Ports are given out anew each time. */
const withoutPorts = (text: string) => text.replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT');

function missingLines(output: string, shown: readonly string[]): string[] {
  const lines = withoutPorts(output)
    .split('\n')
    .map((line) => line.trimEnd());
  let at = 0;
  return shown.filter((line) => {
    const found = lines.indexOf(withoutPorts(line), at);
    if (found !== -1) at = found + 1;
    return found === -1;
  });
}

test('the README leads from an existing payflow.db and PostgreSQL to equal sides', async () => {
  const steps = stepsOf(readFileSync(join(packageRoot(), 'README.md'), 'utf8'));
  expect(steps.map(({ shown }) => shown.length > 0)).toEqual([true, true, true, true, true]);
  const exported: string[] = [];
  for (const { commands, shown } of steps) {
    const child = shell(commands, exported);
    exported.push(...(commands.match(/^export .*$/gm) ?? []));
    if (commands.includes('payflow up ')) {
      running = child;
      void collect(child, (text) => (runningOutput += text));
      await until(
        () => child.exitCode === null && missingLines(runningOutput, shown).length === 0,
        () =>
          `up shows ${missingLines(runningOutput, shown).join(' | ')}, and does not end: ${runningOutput}`,
        { deadlineMs: 60_000, everyMs: 100 },
      );
      continue;
    }
    let output = '';
    const code = await collect(child, (text) => (output += text));
    expect({ commands, code, missing: missingLines(output, shown), output }).toEqual({
      commands,
      code: 0,
      missing: [],
      output,
    });
  }
  const comparison = await compareTill({
    pool,
    mapping: parseMapping(readFileSync(join(folder, 'mapping.yaml'), 'utf8')),
    terminalId: 'till-1',
    storeId: '2',
    file: join(folder, 'payflow.db'),
  });
  expect(comparison.differences).toEqual([]);
  expect(Object.fromEntries(comparison.tables.map(({ table, rows }) => [table, rows]))).toEqual({
    vendors: 6,
    items: 230,
    invoices: 240,
    invoice_items: 240,
    stock_movements: 240,
  });
});
