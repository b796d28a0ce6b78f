/** The replication slot. */
import { PayflowError } from '../../shared/errors.ts';
import { sleep } from '../../shared/lifecycle.ts';
import { publicationName, slotName } from '../../shared/database/slot-names.ts';
import { raiseEpoch } from './history.ts';
import { isPublicationLost, publicationOid, WHOLE_PUBLICATION } from './publication.ts';
import type { SetupContext, Todo } from './setup-context.ts';

const FREE_DEADLINE_MS = 60_000;
const FREE_LOOK_MS = 100;

interface SlotRow {
  readonly database: string;
  readonly plugin: string;
  readonly wal_status: string | null;
  readonly here: boolean;
}

/**
 * A slot that has to be made again begins a new epoch: between the old slot's end and the new one's beginning
 * changes are missing, so every table is seeded again and tills sweep what they no longer see. The epoch is
 * raised before the slot is made: a crash in between raises it twice, which costs nothing.
 */
export async function slotTodos(context: SetupContext): Promise<Todo[]> {
  const { client, prefix, hasSchema } = context;
  const name = slotName(prefix);
  const { rows } = await client.query<SlotRow>(
    `SELECT database, plugin, wal_status, database = current_database() AS here
     FROM pg_replication_slots WHERE slot_name = $1`,
    [name],
  );
  const slot = rows[0];
  if (slot !== undefined && (!slot.here || slot.plugin !== 'pgoutput')) {
    throw new PayflowError(
      'CONFLICT',
      `the slot ${name} belongs to database ${slot.database} (plugin ${slot.plugin}); choose another TOPIC_PREFIX`,
    );
  }
  // What WAL the slot holds of a time without the publication can't be decoded, or lacks changes.
  const isOlder =
    slot !== undefined && hasSchema && (await isPublicationLost(client, publicationName(prefix)));
  if (slot !== undefined && slot.wal_status !== 'lost' && !isOlder) {
    return (await isNoted(context)) || !hasSchema
      ? []
      : [{ what: 'note of the slot', mend: () => rememberSlot(context, name) }];
  }
  const why = isOlder ? ' (from before the publication)' : ' (was invalid)';
  const what = `replication slot ${name}${slot === undefined ? '' : why}`;
  return [{ what, mend: () => createSlot(context, name, slot !== undefined) }];
}

async function madeBefore({ client, hasSchema }: SetupContext): Promise<boolean> {
  if (!hasSchema) return false;
  const { rowCount } = await client.query(`SELECT FROM payflow_sync.meta WHERE name = 'slot'`);
  return (rowCount ?? 0) > 0;
}

async function isNoted({ client }: SetupContext): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM payflow_sync.meta WHERE name IN ('slot', 'publication') HAVING count(*) = 2`,
  );
  return (rowCount ?? 0) > 0;
}

/** Capture sees within a heartbeat that its slot is of no use, and lets go of it. */
async function untilFree({ client, onWait }: SetupContext, name: string): Promise<void> {
  const deadline = Date.now() + FREE_DEADLINE_MS;
  for (let isTold = false; Date.now() < deadline; isTold = true) {
    const { rowCount } = await client.query(
      'SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active',
      [name],
    );
    if (rowCount === 0) return;
    if (!isTold) onWait?.(`the replication slot ${name} waits until capture lets go of it`);
    await sleep(FREE_LOOK_MS);
  }
}

async function createSlot(context: SetupContext, name: string, dropFirst: boolean): Promise<void> {
  const { client } = context;
  if (await madeBefore(context)) await raiseEpoch(context);
  if (dropFirst) await untilFree(context, name);
  if (dropFirst) await client.query('SELECT pg_drop_replication_slot($1)', [name]);
  await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
  await rememberSlot(context, name);
}

/** With the publication: a slot serves the one that it was made for. */
async function rememberSlot({ client, prefix }: SetupContext, name: string): Promise<void> {
  await client.query(
    `INSERT INTO payflow_sync.meta (name, value) VALUES ('slot', $1), ('publication', $2)
     ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value`,
    [name, await publicationOid(client, publicationName(prefix))],
  );
  await client.query('DELETE FROM payflow_sync.watched_table WHERE table_name = $1', [WHOLE_PUBLICATION]);
}
