/** What a DBA does to the partitions of tickets. The rows that move with a partition are in no WAL of the table's. */
import { pickOne, type Deed, type Desk, type Range } from './desk.ts';
import { WITH_REFERENCES, WITHOUT_REFERENCES } from './shop.ts';

const ROOM = 4;

export const PARTITION_DEEDS = {
  'partition added': async (desk) => {
    const range = await nextRange(desk);
    const name = desk.newName('tickets');
    desk.ranges.set(name, range);
    return [`CREATE TABLE ${name} PARTITION OF tickets FOR VALUES ${bounds(range)}`];
  },

  'partition attached with rows': async (desk) => {
    const range = await nextRange(desk);
    const name = desk.newName('tickets');
    desk.ranges.set(name, range);
    const rows = [0, 1, 2].map((place) => {
      const number = `D-${name}-${place}`;
      desk.truth.tickets.add(number);
      return `(${range.from + place}, ${1 + (place % 2)}, '${number}', '${number}')`;
    });
    return [
      `CREATE TABLE ${name} (LIKE tickets INCLUDING ALL);
       INSERT INTO ${name} (id, store_id, number, name) VALUES ${rows.join()};
       SELECT setval('tickets_ids', ${range.to})`,
      `ALTER TABLE tickets ATTACH PARTITION ${name} FOR VALUES ${bounds(range)}`,
    ];
  },

  'partition split off the rest': async (desk, pick) => {
    const [first] = await desk.column(`SELECT min(id) FROM ${desk.rest} HAVING count(*) > 0`);
    if (first === undefined) return [];
    const from = Number(first);
    const next = Math.min(...[...desk.ranges.values()].map((range) => range.from).filter((id) => id > from));
    const range = { from, to: Math.min(from + ROOM, next) };
    const name = desk.newName('tickets');
    desk.ranges.set(name, range);
    const make = `CREATE TABLE ${name} (LIKE tickets INCLUDING ALL);
      INSERT INTO ${name} SELECT * FROM ${desk.rest} WHERE ${within('id', range)};`;
    const exchange = `${WITHOUT_REFERENCES} DELETE FROM ${desk.rest} WHERE ${within('id', range)};
      ALTER TABLE tickets ATTACH PARTITION ${name} FOR VALUES ${bounds(range)}; ${WITH_REFERENCES}`;
    return pick % 2 === 0 ? [make + exchange] : [make, exchange];
  },

  'partition detached': async (desk, pick) => {
    const chosen = pickOne(desk.ranges, pick);
    if (chosen === undefined) return [];
    const [name, range] = chosen;
    await desk.takesAway(within('id', range));
    desk.ranges.delete(name);
    desk.detached.set(name, range);
    const detach = withoutLines(range, `ALTER TABLE tickets DETACH PARTITION ${name};`);
    if (pick % 2 === 0) return [detach];
    return [detach, `UPDATE ${name} SET name = name || '~', store_id = 3 - store_id WHERE id % 2 = 0`];
  },

  'partition attached again': async (desk, pick) => {
    const chosen = pickOne(desk.detached, pick);
    if (chosen === undefined) return [];
    const [name, range] = chosen;
    const inTheWay = await desk.number(`SELECT count(*) FROM tickets WHERE ${within('id', range)}`);
    if (inTheWay > 0) return [];
    desk.detached.delete(name);
    desk.ranges.set(name, range);
    return [`ALTER TABLE tickets ATTACH PARTITION ${name} FOR VALUES ${bounds(range)}`];
  },

  'partition emptied': async (desk, pick) => {
    const chosen = pickOne(desk.ranges, pick);
    if (chosen === undefined) return [];
    const [name, range] = chosen;
    await desk.takesAway(within('id', range));
    return [withoutLines(range, `TRUNCATE ${name};`)];
  },

  'partition dropped': async (desk, pick) => {
    const chosen = pickOne(desk.ranges, pick);
    if (chosen === undefined) return [];
    const [name, range] = chosen;
    await desk.takesAway(within('id', range));
    desk.ranges.delete(name);
    return [withoutLines(range, `DROP TABLE ${name};`)];
  },
} satisfies Record<string, Deed>;

/** Behind every id there is, so that the rest holds none of it. */
async function nextRange({ pool, ranges, detached }: Desk): Promise<Range> {
  const { rows } = await pool.query<{ last: number }>('SELECT last_value::int AS last FROM tickets_ids');
  const ends = [...ranges.values(), ...detached.values()].map(({ to }) => to);
  const from = Math.max(1 + (rows[0]?.last ?? 0), ...ends);
  return { from, to: from + ROOM };
}

function bounds({ from, to }: Range): string {
  return `FROM (${from}) TO (${to})`;
}

function within(column: string, { from, to }: Range): string {
  return `${column} >= ${from} AND ${column} < ${to}`;
}

function withoutLines(range: Range, deed: string): string {
  return `${WITHOUT_REFERENCES} DELETE FROM lines WHERE ${within('ticket_id', range)}; ${deed} ${WITH_REFERENCES}`;
}
