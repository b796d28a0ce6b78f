/** Lets everything flow until nothing moves, and compares what is at the centre with what was sold. */
import { expect } from 'vitest';
import { pino } from 'pino';
import { compareTill } from '../../../../scripts/support/compare.ts';
import { DecidedHeld } from '../../../../services/central-apply/decided-held.ts';
import { unfenceTerminal } from '../../../../services/gateway/hand-over.ts';
import { PayflowError } from '../../../../services/shared/errors.ts';
import { upStream } from '../../../../services/shared/log/topics.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { joinPieces } from '../../../../services/shared/records/change-pieces.ts';
import { changesFromJson } from '../../../../services/shared/records/stored-changes.ts';
import { SIGNATURE_HEADER } from '../../../../services/shared/records/unit-record.ts';
import { decodeUnitRecord } from '../../../../services/shared/records/unit-codec.ts';
import { readSome } from '../till.ts';
import { ticketsIn, type Machine } from './machine.ts';
import { switchOff, type RestorePlay } from './play.ts';

const ROUNDS = 40;
const ACTOR = { name: 'operator' };

/** @returns how often an operator had to decide */
export async function settle(play: RestorePlay, survivor: Machine): Promise<number> {
  let decided = 0;
  for (const machine of play.machines) machine.dieAfter(0);
  // Whoever lives is heard.
  for (let round = 0; round < 3; round += 1) await flow(play);
  switchOff(play, survivor);
  for (let round = 0; round < ROUNDS; round += 1) {
    const moved = await flow(play);
    const { agent } = survivor.till;
    const { kind } = agent.standing.current;
    if (moved === 0 && kind === 'ok' && survivor.till.openEntries() === 0) return decided;
    if (moved === 0 && kind === 'fenced' && (await unfence(play, agent.agentFile.incarnation))) decided += 1;
  }
  throw new Error(
    `not settled: ${JSON.stringify(survivor.till.agent.standing.current)}, ${survivor.till.openEntries()} open`,
  );
}

/** @returns how much has moved */
async function flow(play: RestorePlay): Promise<number> {
  const { world } = play;
  let moved = 0;
  for (const machine of play.machines) {
    await machine.step((till) => till.lookThrough());
    await machine.step(({ agent }) => agent.apply.applyLocal());
    await machine.step(({ agent }) => agent.capture.cutAll());
    await machine.step(async ({ agent }) => {
      while ((await agent.publisher.publishNext()) > 0) moved += 1;
    });
  }
  while ((await world.applyNext(100)) > 0) moved += 1;
  await new DecidedHeld({
    pool: world.pool,
    log: pino({ level: 'silent' }),
    release: (terminal) => world.apply.release(terminal),
  }).look();
  await world.captured();
  for (const machine of play.machines)
    for (const stream of ['catalog', 'store'] as const)
      await machine.step(async (till) => {
        while ((await till.read(stream, 1_000)) > 0);
      });
  for (const till of world.tills.slice(1))
    for (const stream of ['catalog', 'store'] as const) while ((await till.read(stream, 1_000)) > 0);
  return moved;
}

async function unfence({ world, machines }: RestorePlay, incarnation: string): Promise<boolean> {
  const terminalId = machines[0]?.till.setup.id ?? '';
  try {
    await unfenceTerminal(world.pool, { terminalId, incarnation, actor: ACTOR });
    return true;
  } catch (error) {
    if (error instanceof PayflowError) return false;
    throw error;
  }
}

/** @throws AssertionError that names sales */
export async function assertNothingLost(play: RestorePlay): Promise<void> {
  const { world, machines, sales, promised } = play;
  const survivor = machines[0] as Machine;
  const there = await column(play, 'SELECT number AS value FROM tickets');
  const lines = await column(play, 'SELECT mark AS value FROM lines');
  const customers = await column(play, 'SELECT mark AS value FROM customers');
  const counted = await column(play, `SELECT sold::text AS value FROM items ORDER BY sku`);
  const letters = await lettersOf(play);
  const reached = await reachedTickets(play);
  const wanted = new Set([...reached, ...survivor.tickets(), ...promised]);
  expect({
    doubled: twice(there),
    doubledLines: twice(lines),
    doubledCustomers: twice(customers),
    withoutLine: there.filter((ticket) => !lines.includes(ticket) && !letters.has(ticket)),
    lost: [...wanted].filter((ticket) => !there.includes(ticket) && !letters.has(ticket)),
    counted: [...sales].map(([ticket, number]) => [ticket, digit(counted[number % 2] ?? '0', number)]),
  }).toEqual({
    doubled: [],
    doubledLines: [],
    doubledCustomers: [],
    withoutLine: [],
    lost: [],
    counted: [...sales].map(([ticket]) => [ticket, there.includes(ticket) ? 1 : 0]),
  });
  for (const till of [survivor.till, ...world.tills.slice(1)]) {
    const { differences } = await compareTill({
      pool: world.pool,
      mapping: parseMapping(world.shop.mapping),
      terminalId: till.setup.id,
      storeId: till.setup.store,
      file: till.file,
    });
    expect([till.setup.id, differences]).toEqual([till.setup.id, []]);
  }
}

/** How often a sale is in the sum of its item. */
function digit(sum: string, number: number): number {
  return Number((BigInt(sum) / 3n ** BigInt(number)) % 3n);
}

function twice(values: readonly string[]): string[] {
  return values.filter((value, index) => values.indexOf(value) < index);
}

async function column({ world }: RestorePlay, sql: string): Promise<string[]> {
  const { rows } = await world.pool.query<{ value: string }>(sql);
  return rows.map(({ value }) => value);
}

async function lettersOf(play: RestorePlay): Promise<Set<string>> {
  const texts = await column(
    play,
    `SELECT changes AS value FROM payflow_sync.dead_letter WHERE state = 'open'`,
  );
  return new Set(texts.flatMap((text) => ticketsIn(changesFromJson(text))));
}

async function reachedTickets({ world }: RestorePlay): Promise<string[]> {
  const records = await readSome(world.eventLog, upStream(world.prefix, 0), 0, Infinity);
  return records.flatMap(({ value, headers }) =>
    value === null || headers[SIGNATURE_HEADER] === undefined
      ? []
      : decodeUnitRecord(value).units.flatMap(({ changes }) => ticketsIn(joinPieces(changes))),
  );
}
