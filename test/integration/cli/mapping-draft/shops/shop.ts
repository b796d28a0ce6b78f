/** A shop whose schemas have nothing to do with the reference ones: what stands on either side on its first day. */
import type { Database } from 'better-sqlite3';
import type { Pool } from 'pg';

export interface ForeignShop {
  readonly enterCentre: (pool: Pool) => Promise<void>;
  readonly enterTill: (db: Database) => void;
}

/** 0 … n − 1 */
export function counted(n: number): number[] {
  return Array.from({ length: n }, (_, at) => at);
}

/** The same for the same number, and spread over all 32 bits. */
export function scattered(n: number): number {
  let value = (n + 1) * 0x9e3779b1;
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}

/** A UUID that is the same for the same number. */
export function uuidOf(kind: number, n: number): string {
  const hex = (value: number) => value.toString(16).padStart(8, '0');
  const [a, b] = [hex(scattered(kind * 7919 + n)), hex(scattered(kind * 104_729 + 3 * n + 1))];
  return `${a}-${b.slice(0, 4)}-4${b.slice(5, 8)}-8${a.slice(1, 4)}-${a}${b.slice(0, 4)}`;
}

/** A moment within 300 days, in ms since 1970. */
export function momentOf(n: number): number {
  return Date.UTC(2026, 0, 5, 7) + (scattered(n) % 25_920_000) * 1000;
}
