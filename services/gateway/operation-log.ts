/** Who did what, when and why: kept with what central-apply is asked to do, for operations that are done at once. */
import { rows, type Queryable } from './database.ts';

export interface Actor {
  /** A token's name, or the account that typed the command. */
  readonly name: string;
  readonly why?: string | undefined;
}

export async function noteOperation(
  db: Queryable,
  {
    kind,
    arguments: given,
    actor,
    result,
  }: { kind: string; arguments: object; actor: Actor; result: object },
): Promise<void> {
  await rows(
    db,
    `INSERT INTO payflow_sync.operation (kind, arguments, requested_by, why, state, result, finished_at)
     VALUES ($1, $2, $3, $4, 'done', $5, now())`,
    [kind, JSON.stringify(given), actor.name, actor.why ?? null, JSON.stringify(result)],
  );
}
