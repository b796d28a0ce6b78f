/** An app that sells without knowing of us: in a thread of its own, so that it waits for nobody but SQLite. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { Cashier, seededRandom, type WantedSale } from '../support/shop.ts';

export interface AppWork extends Pick<WantedSale, 'begin'> {
  readonly file: string;
  readonly terminalId: string;
  readonly timeoutMs: number;
  /** From one sale to the next: about the same each time, or anything, as where many cashiers share a file. */
  readonly pauses: 'even' | 'any';
  /** 1 in its first place: that is all. */
  readonly stop: Int32Array;
}

export interface AppRun {
  readonly sales: number;
  /** Sales that SQLite refused because another held the file. */
  readonly failed: number;
  readonly waitsMs: readonly number[];
}

/** A busy shop: ten sales a second. */
const PAUSE_MS = 100;

const { file, terminalId, timeoutMs, pauses, begin, stop } = workerData as AppWork;
const cashier = new Cashier(terminalId, file, seededRandom(1), timeoutMs);
const random = seededRandom(2);
const pauseMs = {
  even: () => PAUSE_MS * (0.75 + random() / 2),
  any: () => -PAUSE_MS * Math.log(1 - random()),
}[pauses];
const waitsMs: number[] = [];
let failed = 0;
while (Atomics.load(stop, 0) === 0) {
  const started = performance.now();
  try {
    cashier.sell({ moveStock: false, takeStock: true, begin });
  } catch (error) {
    if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_BUSY')) throw error;
    failed += 1;
  }
  waitsMs.push(performance.now() - started);
  await sleep(pauseMs());
}
cashier.close();
const run: AppRun = { sales: waitsMs.length, failed, waitsMs };
parentPort?.postMessage(run);
