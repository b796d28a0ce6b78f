import { PayflowError } from '../../shared/errors.ts';
import { postgresFacts, wrapPostgresError } from '../../shared/database/postgres.ts';

const NO_PRIVILEGE = '42501';

/**
 * A table that our login may not read any more, or not whole, was so made just now: the next session finds it so at its
 * first look, and goes on without it.
 */
export function readError(error: unknown, table: string): PayflowError {
  if (postgresFacts(error)?.sqlState !== NO_PRIVILEGE) return wrapPostgresError(error);
  const said = wrapPostgresError(error).message;
  return new PayflowError('TABLE_NOT_READABLE', `${table}: ${said}`, { cause: error });
}
