/** A till whose two files were left by a version with value triggers: rebuilt from the dumps that its own code made. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

const FOLDER = join(import.meta.dirname, '../unit/terminal-agent/take-over');

/** Into the folder of a till: payflow.db, and the agent file beside it. */
export function rebuildOldTill(folder: string): void {
  for (const [dump, file] of [
    ['payflow.sql', 'payflow.db'],
    ['agent.sql', 'T1.agent.db'],
  ] as const) {
    const db = new Database(join(folder, file));
    db.pragma('journal_mode = WAL');
    db.pragma('foreign_keys = OFF');
    db.exec(readFileSync(join(FOLDER, dump), 'utf8'));
    db.close();
  }
}

/** What those versions would go on to send: units with their changes, integers and bytes as texts. */
export function sentByOld(): SentUnit[] {
  return JSON.parse(readFileSync(join(FOLDER, 'sent.json'), 'utf8')) as SentUnit[];
}

export interface SentUnit {
  readonly number: number;
  readonly hash: string;
  readonly previousHash: string;
  readonly changes: readonly { readonly seq: number }[];
}

/** A unit in the form of `sentByOld`. */
export function asSent(unit: unknown): SentUnit {
  return JSON.parse(
    JSON.stringify(unit, (_name, value: unknown) => {
      if (typeof value === 'bigint') return `${value}n`;
      const bytes = value as { type?: unknown; data?: number[] } | null;
      if (bytes?.type === 'Buffer' && bytes.data !== undefined)
        return Buffer.from(bytes.data).toString('hex');
      return value;
    }),
  ) as SentUnit;
}
