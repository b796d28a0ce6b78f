/** What a DBA does to the partitions of inventory_transactions. What moves with a partition is in no WAL of the table's. */
import { editSql, type Deed, type Desk, type Range } from './desk.ts';

const TABLE = 'inventory_transactions';
const REST = `${TABLE}_rest`;
/** Ids that no sale ever gets. */
const FAR = 1_000_000;
const ROOM = 100;

/** Before setup: the table of the reference schema is partitioned by id, and has its ids from a sequence of its own. */
export const PARTITIONED_SQL = `
  ALTER TABLE ${TABLE} ALTER id DROP IDENTITY;
  ALTER TABLE ${TABLE} RENAME TO ${REST};
  CREATE SEQUENCE ${TABLE}_ids;
  ALTER TABLE ${REST} ALTER id SET DEFAULT nextval('${TABLE}_ids');
  CREATE TABLE ${TABLE} (LIKE ${REST} INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (id))
    PARTITION BY RANGE (id);
  ALTER TABLE ${TABLE} ATTACH PARTITION ${REST} DEFAULT;
  DROP TRIGGER touch_updated_at ON ${REST};
  CREATE TRIGGER touch_updated_at BEFORE UPDATE ON ${TABLE} FOR EACH ROW EXECUTE FUNCTION touch_updated_at();`;

export const PARTITION_DEEDS: Readonly<Record<string, Deed>> = {
  'partition of the next sales added': async (desk) => {
    const last = await desk.number(`SELECT last_value AS n FROM ${TABLE}_ids`);
    const range = { from: last + ROOM, to: last + 2 * ROOM };
    if (await isTaken(desk, range)) return [];
    const name = desk.newName(TABLE);
    return [`CREATE TABLE ${name} PARTITION OF ${TABLE} FOR VALUES ${bounds(range)}`, editSql(desk, TABLE)];
  },

  'partition attached with rows': async (desk) => {
    const far = await desk.number(`SELECT max(id) / ${FAR} AS n FROM ${TABLE}`);
    const from = FAR * (1 + far + desk.detached.size);
    const name = desk.newName(TABLE);
    return [
      `CREATE TABLE ${name} (LIKE ${TABLE} INCLUDING ALL);
       INSERT INTO ${name} (id, store_id, product_id, kind, quantity)
         SELECT ${from} + n, 1 + n % 2, 1 + n, 'count', n + 1 FROM generate_series(0, 9) n`,
      `ALTER TABLE ${TABLE} ATTACH PARTITION ${name} FOR VALUES ${bounds({ from, to: from + ROOM })}`,
    ];
  },

  'partition split off the rest': async (desk) => {
    const from = await desk.number(`SELECT min(id) AS n FROM ${REST}`);
    const range = { from, to: from + ROOM };
    if (from === 0 || (await isTaken(desk, range))) return [];
    const name = desk.newName(TABLE);
    return [
      `CREATE TABLE ${name} (LIKE ${TABLE} INCLUDING ALL);
       WITH gone AS (DELETE FROM ${REST} WHERE ${within(range)} RETURNING *) INSERT INTO ${name} SELECT * FROM gone;
       ALTER TABLE ${TABLE} ATTACH PARTITION ${name} FOR VALUES ${bounds(range)}`,
      editSql(desk, TABLE),
    ];
  },

  'partition detached, and changed': async (desk) => {
    const chosen = desk.oneOf(await partitions(desk));
    if (chosen === undefined) return [];
    const [name, range] = chosen;
    desk.detached.set(name, range);
    return [`ALTER TABLE ${TABLE} DETACH PARTITION ${name}`, editSql(desk, TABLE, name)];
  },

  'partition attached again': async (desk) => {
    const chosen = desk.oneOf(desk.detached);
    if (chosen === undefined) return [];
    const [name, range] = chosen;
    const inTheWay = await desk.number(`SELECT count(*) AS n FROM ${TABLE} WHERE ${within(range)}`);
    if (inTheWay > 0) return [];
    desk.detached.delete(name);
    return [`ALTER TABLE ${TABLE} ATTACH PARTITION ${name} FOR VALUES ${bounds(range)}`];
  },

  'partition emptied': async (desk) => {
    const chosen = desk.oneOf((await partitions(desk)).keys());
    return chosen === undefined ? [] : [`TRUNCATE ${chosen}`];
  },

  'partition dropped': async (desk) => {
    const chosen = desk.oneOf((await partitions(desk)).keys());
    return chosen === undefined ? [] : [`DROP TABLE ${chosen}`];
  },

  'identity of a partition narrowed, and rows moved': async (desk) => {
    const leaf = desk.oneOf([REST, ...(await partitions(desk)).keys()]) ?? REST;
    return [`ALTER TABLE ${leaf} REPLICA IDENTITY DEFAULT`, editSql(desk, TABLE)];
  },
};

/** By name, beside the rest. Asked anew: making one may have failed because sales had come into its range. */
async function partitions({ pool }: Desk): Promise<ReadonlyMap<string, Range>> {
  const { rows } = await pool.query<{ name: string; bound: string }>(
    `SELECT relname AS name, pg_get_expr(relpartbound, oid) AS bound FROM pg_class
      WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = '${TABLE}'::regclass) AND relname <> '${REST}'`,
  );
  return new Map(
    rows.map(({ name, bound }) => {
      const [from = 0, to = 0] = [...bound.matchAll(/\d+/g)].map(([id]) => Number(id));
      return [name, { from, to }];
    }),
  );
}

async function isTaken(desk: Desk, { from, to }: Range): Promise<boolean> {
  const all = [...(await partitions(desk)).values(), ...desk.detached.values()];
  return all.some((other) => other.from < to && from < other.to);
}

function bounds({ from, to }: Range): string {
  return `FROM (${from}) TO (${to})`;
}

function within({ from, to }: Range): string {
  return `id >= ${from} AND id < ${to}`;
}
