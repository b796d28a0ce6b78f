/**
 * Parent rows that children were found without. It is kept in payflow_sync.awaited_parent, since the children's
 * transactions are long acknowledged when the parent comes; nothing later of such a transaction goes out before it
 * is stored there. Beyond MOST of one table every parent that comes counts as waited for: reading the children of
 * each costs little, and a table of many true orphans would be seeded for ever.
 */
import type { Pool } from 'pg';
import { inTransaction, wrapPostgresError } from '../../shared/database/postgres.ts';

const MOST = 100_000;
/** Stands for every row of the table. */
const EVERY = '*';

type Entry = readonly [table: string, id: string];

interface Wait {
  /** Changes whenever a child is found without this parent. */
  version: number;
  /** Its absence was seen by a reader who sees all that was decoded, and it has not come since. */
  isCertain: boolean;
}

export class AwaitedParents {
  readonly #pool: Pool;
  readonly #most: number;
  readonly #byTable = new Map<string, Map<string, Wait>>();
  #added: Entry[] = [];
  #removed: Entry[] = [];
  #isStoring = false;
  #storing: Promise<void> = Promise.resolve();
  #version = 0;

  constructor(pool: Pool, most = MOST) {
    this.#pool = pool;
    this.#most = most;
  }

  /** What earlier sessions left. */
  async load(): Promise<void> {
    try {
      const { rows } = await this.#pool.query<{ parent_table: string; parent_id: string }>(
        'SELECT parent_table, parent_id FROM payflow_sync.awaited_parent',
      );
      for (const row of rows) this.#of(row.parent_table).set(row.parent_id, { version: 0, isCertain: false });
    } catch (error) {
      throw wrapPostgresError(error);
    }
  }

  has(table: string, id: string): boolean {
    const waits = this.#byTable.get(table);
    return waits !== undefined && (waits.has(id) || waits.has(EVERY));
  }

  /** Nothing is gained by reading it again. */
  isCertain(table: string, id: string): boolean {
    return this.#byTable.get(table)?.get(id)?.isCertain === true;
  }

  /** It came, or may have: whoever does not know where it is has to read it. */
  doubt(table: string, id: string): void {
    const wait = this.#byTable.get(table)?.get(id);
    if (wait !== undefined) wait.isCertain = false;
  }

  /** @param table whose rows may have come unseen; undefined: those of any */
  doubtAll(table?: string): void {
    for (const [name, waits] of this.#byTable) {
      if (table !== undefined && table !== name) continue;
      for (const wait of waits.values()) wait.isCertain = false;
    }
  }

  add(table: string, id: string, isCertain: boolean): void {
    const waits = this.#of(table);
    const known = waits.get(id);
    this.#version += 1;
    if (known !== undefined) {
      known.version = this.#version;
      known.isCertain ||= isCertain;
    } else if (!waits.has(EVERY)) {
      const isFull = waits.size >= this.#most;
      waits.set(isFull ? EVERY : id, { version: this.#version, isCertain: isCertain && !isFull });
      this.#added.push([table, isFull ? EVERY : id]);
    }
  }

  /** To be given to `remove`. */
  versionOf(table: string, id: string): number {
    return this.#byTable.get(table)?.get(id)?.version ?? -1;
  }

  /** Its children were looked at, and none waits; unless another was found without it since. */
  remove(table: string, id: string, version: number): void {
    const waits = this.#byTable.get(table);
    if (waits?.get(id)?.version !== version) return;
    waits.delete(id);
    this.#removed.push([table, id]);
  }

  /** All of a table: its children are seeded, and whoever waits is found again. */
  clear(table: string): void {
    const waits = this.#byTable.get(table);
    if (waits === undefined) return;
    for (const id of waits.keys()) this.#removed.push([table, id]);
    waits.clear();
  }

  idsOf(table: string): string[] {
    return [...(this.#byTable.get(table)?.keys() ?? [])].filter((id) => id !== EVERY);
  }

  /** Something waits that is not stored yet: no stream may go on. */
  get isUnstored(): boolean {
    return this.#isStoring || this.#added.length > 0;
  }

  /** One after the other: who asks is told when all that was added before is stored. */
  store(): Promise<void> {
    this.#storing = this.#storing.then(() => this.#storeAll());
    return this.#storing;
  }

  async #storeAll(): Promise<void> {
    while (this.#added.length + this.#removed.length > 0) {
      const added = this.#added.filter(([table, id]) => this.#stands(table, id));
      const removed = this.#removed.filter(([table, id]) => !this.#stands(table, id));
      this.#added = [];
      this.#removed = [];
      this.#isStoring = added.length > 0;
      await this.#write(added, removed);
      this.#isStoring = false;
    }
  }

  /** Not for the standby: it has to survive this process, and what a lost server forgets is seeded again. */
  async #write(added: readonly Entry[], removed: readonly Entry[]): Promise<void> {
    await inTransaction(this.#pool, async (client) => {
      await client.query('SET LOCAL synchronous_commit = local');
      await client.query(
        `DELETE FROM payflow_sync.awaited_parent AS a USING unnest($1::text[], $2::text[]) AS gone (t, id)
         WHERE a.parent_table = gone.t AND a.parent_id = gone.id`,
        [removed.map(([table]) => table), removed.map(([, id]) => id)],
      );
      await client.query(
        `INSERT INTO payflow_sync.awaited_parent (parent_table, parent_id)
         SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING`,
        [added.map(([table]) => table), added.map(([, id]) => id)],
      );
    });
  }

  #stands(table: string, id: string): boolean {
    return this.#byTable.get(table)?.has(id) === true;
  }

  #of(table: string): Map<string, Wait> {
    const known = this.#byTable.get(table);
    if (known !== undefined) return known;
    const waits = new Map<string, Wait>();
    this.#byTable.set(table, waits);
    return waits;
  }
}
