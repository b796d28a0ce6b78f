/**
 * How PostgreSQL logs old rows of the tables that are published. It refuses an UPDATE or DELETE of a published table
 * without a usable identity, the centre's own included: so that comes first, and where it can't be had for good, setup
 * does not begin.
 */
import { PayflowError } from '../../shared/errors.ts';
import { publicationName } from '../../shared/database/slot-names.ts';
import { readPartitions, readTables } from '../watch/catalog-facts.ts';
import { wantedIdentity } from '../watch/differences.ts';
import type { PartitionFacts, TableFacts } from '../watch/table-shape.ts';
import { watchedTables } from '../watch/watched-tables.ts';
import { quotedTable } from './published-tables.ts';
import type { SetupContext, Todo } from './setup-context.ts';

export async function identityTodos(context: SetupContext): Promise<Todo[]> {
  const { client, mapping, prefix } = context;
  const rules = watchedTables(mapping);
  const tables = await readTables(client, [...rules.keys()], publicationName(prefix));
  const roots = [...tables.values()].filter((table) => table.isPartitioned).map(({ oid }) => oid);
  const leaves = await readPartitions(client, roots);
  const todos: Todo[] = [];
  for (const [name, table] of tables) {
    const wanted = rules.get(name);
    if (wanted === undefined) continue;
    const partitions = leaves.get(table.oid) ?? [];
    refuseUnfit(table, partitions);
    if (table.virtual.length > 0 && wanted.needsFull(table)) {
      throw new PayflowError(
        'TABLE_VIRTUAL_COLUMN',
        `virtual generated columns: ${table.virtual.join(', ')}`,
        {
          details: { columns: table.virtual },
        },
      );
    }
    for (const part of table.isPartitioned ? partitions : [table]) {
      const to = wantedIdentity({ ...table, identity: part.identity }, wanted);
      if (to === null) continue;
      const sql = `ALTER TABLE ${quotedTable(part)} REPLICA IDENTITY ${to}`;
      todos.push({
        what: `REPLICA IDENTITY ${to} of ${part.schema}.${part.table}`,
        mend: async () => void (await client.query(sql)),
        tables: wanted.seededWith,
      });
    }
  }
  return todos;
}

/** @throws PayflowError TABLE_INHERITED, TABLE_NOT_LOGGED, TABLE_KEY_DEFERRABLE */
function refuseUnfit(table: TableFacts, partitions: readonly PartitionFacts[]): void {
  const { name } = table;
  const refuse = (code: 'TABLE_INHERITED' | 'TABLE_NOT_LOGGED' | 'TABLE_KEY_DEFERRABLE', message: string) => {
    throw new PayflowError(code, message, { details: { tables: [name] } });
  };
  if (table.heirs.length > 0)
    refuse('TABLE_INHERITED', `tables inherit from ${name}: ${table.heirs.join(', ')}`);
  const unlogged = [table, ...partitions].find((part) => !part.isLogged);
  if (unlogged !== undefined)
    refuse('TABLE_NOT_LOGGED', `${unlogged.schema}.${unlogged.table} is unlogged or foreign`);
  // Each new partition would refuse the centre's own updates until somebody sets its identity.
  if (table.isPartitioned && table.isKeyDeferrable) {
    refuse('TABLE_KEY_DEFERRABLE', `${name} is partitioned, and its primary key is deferrable`);
  }
}
