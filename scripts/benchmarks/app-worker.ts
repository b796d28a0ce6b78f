/** An app that sells without knowing of us: in a thread of its own, so that it waits for nobody but SQLite. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { Cashier, seededRandom, type WantedSale } from '../support/shop.ts';

export interface AppWork extends Pick<WantedSale, 'begin'> {
  readonly file: string;
  readonly terminalId: string;
  readonly timeoutMs: number;
  /** 1 in its first place: that is all. */
  readonly stop: Int32Array;
}

export interface AppRun {
  readonly sales: number;
  /** Sales that SQLite refused because another held the file. */
  readonly failed: number;
  readonly waitsMs: readonly number[];
}

/** A busy shop: a sale takes a cashier far longer. */
const PAUSE_MS = 20;

const { file, terminalId, timeoutMs, begin, stop } = workerData as AppWork;
const cashier = new Cashier(terminalId, file, seededRandom(1), timeoutMs);
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
  await sleep(PAUSE_MS);
}
cashier.close();
const run: AppRun = { sales: waitsMs.length, failed, waitsMs };
parentPort?.postMessage(run);
