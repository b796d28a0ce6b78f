/**
 * Earlier versions took a child without its parent for a row without a store, and did not send it when the parent
 * came. Which ones nobody knows: an upgraded centre seeds what finds its store through a parent, once.
 */
import { tableScopes } from '../routing/scope.ts';
import { MAPPING_TABLE } from '../../shared/records/change-record.ts';
import { wantSeeding } from '../seeding/wanted.ts';
import { currentEpoch } from './setup-facts.ts';
import type { SetupContext, Todo } from './setup-context.ts';

const FACT = 'children_wait';

export async function waitingTodos({ client, hasSchema, mapping }: SetupContext): Promise<Todo[]> {
  if (!hasSchema) return [];
  const { rowCount } = await client.query('SELECT FROM payflow_sync.meta WHERE name = $1', [FACT]);
  if (rowCount !== 0) return [];
  const children = [...tableScopes(mapping, MAPPING_TABLE)].flatMap(([name, scope]) =>
    scope.kind === 'via' ? [name] : [],
  );
  const mend = async () => {
    await wantSeeding(client, await currentEpoch(client), children);
    await client.query(
      `INSERT INTO payflow_sync.meta (name, value) VALUES ($1, '1') ON CONFLICT DO NOTHING`,
      [FACT],
    );
  };
  return [{ what: 'note that children wait for their parents', mend }];
}
