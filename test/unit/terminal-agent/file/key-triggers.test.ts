/** Whatever the app's statements are, entries say which rows they touched, who these are, and what they took off. */
import { describe, expect, it } from 'vitest';
import { addDecimals } from '../../../../services/shared/values/decimal.ts';
import { sumsOf } from '../../../../services/terminal-agent/up/entries.ts';
import { foldEntries, type TouchedRow } from '../../../../services/terminal-agent/up/fold-entries.ts';
import { CapturedShop, ITEMS, PLACES } from './captured-shop.ts';

const RUNS = Number(process.env['TRIGGER_RUNS'] ?? 40);
const SEED = Number(process.env['TRIGGER_SEED'] ?? 1);
const TRANSACTIONS = 25;

interface Kept {
  readonly identity: string;
  readonly stock: string;
  readonly content: string;
}

/** What a look keeps of a table: rows by key. */
class Look {
  readonly failures: string[] = [];
  #rows = new Map<string, Kept>();
  readonly #shop: CapturedShop;
  readonly #table: 'items' | 'places';
  readonly #number: number;
  /** Name of each row by its identity. */
  readonly #names = new Map<string, string>();
  #lastSeq = 0;

  constructor(shop: CapturedShop, table: 'items' | 'places') {
    this.#shop = shop;
    this.#table = table;
    this.#number = (table === 'items' ? ITEMS : PLACES).number;
  }

  take(): void {
    const now = this.#shop.rows(this.#table);
    const entries = this.#shop.reader.read(this.#lastSeq + 1, Number.MAX_SAFE_INTEGER);
    this.#lastSeq = entries.at(-1)?.seq ?? this.#lastSeq;
    const touched = foldEntries(
      entries.filter(({ table }) => table === this.#number),
      (key) => this.#rows.get(key)?.identity,
    );
    const identities = new Set(touched.map(({ identity }) => identity));
    const before = new Map([...this.#rows.values()].map((row) => [row.identity, row]));
    const next = new Map<string, Kept>();
    for (const [key, row] of this.#rows)
      if (!identities.has(row.identity)) this.#untouched(key, row, now, next);
    for (const row of touched) this.#touched(row, before.get(row.identity), now, next);
    for (const key of now.keys()) if (!next.has(key)) this.failures.push(`nobody says that ${key} is here`);
    this.#rows = next;
    this.#compareNames(next);
  }

  #untouched(key: string, row: Kept, now: ReturnType<CapturedShop['rows']>, next: Map<string, Kept>): void {
    if (now.get(key)?.content !== row.content) this.failures.push(`nobody says that ${key} changed`);
    next.set(key, row);
  }

  #touched(
    { identity, key, entries, isNew }: TouchedRow,
    before: Kept | undefined,
    now: ReturnType<CapturedShop['rows']>,
    next: Map<string, Kept>,
  ): void {
    const row = key === null ? undefined : now.get(key);
    if (key === null || row === undefined) return;
    if (next.has(key)) this.failures.push(`two rows are said to be at ${key}`);
    next.set(key, { identity, ...row });
    if (isNew) return;
    const sum = sumsOf(entries).get('stock') ?? '0';
    const should = Number(addDecimals(before?.stock ?? '0', sum));
    if (should !== Number(row.stock))
      this.failures.push(`stock of ${key} is ${row.stock}, entries say ${should}`);
  }

  /** An identity is of one row, and a row has one. */
  #compareNames(rows: ReadonlyMap<string, Kept>): void {
    for (const [key, { identity }] of rows) {
      const name = this.#shop.names[this.#table].get(key) ?? 'nobody';
      const known = this.#names.get(identity);
      if (known !== undefined && known !== name)
        this.failures.push(`${key} is ${name}, entries say ${known}`);
      if (known === undefined && [...this.#names.values()].includes(name))
        this.failures.push(`${name} is said to be new`);
      this.#names.set(identity, name);
    }
  }
}

describe('triggers that write keys', () => {
  it(`tell rows apart under ${RUNS} seeds of random statements`, () => {
    for (let seed = SEED; seed < SEED + RUNS; seed += 1) {
      const shop = CapturedShop.open(seed);
      const looks = [new Look(shop, 'items'), new Look(shop, 'places')];
      for (let n = 0; n < TRANSACTIONS; n += 1) {
        shop.transaction();
        for (const look of looks) look.take();
      }
      expect({ seed, failures: looks.flatMap(({ failures }) => failures) }).toEqual({ seed, failures: [] });
    }
  });
});
