/** What the server says of a replication session, by the codes people look up. */
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { PayflowError } from '../../shared/errors.ts';

interface Names {
  readonly slot: string;
  readonly publication: string;
}

/** @param isRunning replication had begun: the server names what the WAL lacks, not what the catalog does */
export function replicationError(
  thrown: unknown,
  { slot, publication }: Names,
  isRunning: boolean,
): PayflowError {
  if (thrown instanceof PayflowError) return thrown;
  const code = (thrown as { code?: unknown }).code;
  // Before PostgreSQL 18, WAL of a time without the publication can't be decoded, whatever is there now.
  if (code === '42704' && isRunning) {
    const message = `WAL comes from a time when the publication ${publication} was not there`;
    return new PayflowError('PUBLICATION_LOST', message, { cause: thrown });
  }
  switch (code) {
    case undefined: // pg says "Connection terminated" without a code
      return new PayflowError('REPLICATION_PROTOCOL', String(thrown), { cause: thrown });
    case '42704': // undefined_object
    case '55000': // object_not_in_prerequisite_state: invalidated, or of another database
      return new PayflowError('SLOT_LOST', `the replication slot ${slot} cannot be read`, { cause: thrown });
    case '55006': // object_in_use
      return new PayflowError('SLOT_BUSY', `the replication slot ${slot} is in use`, { cause: thrown });
    case '42501': // insufficient_privilege
      return new PayflowError('DB_NO_REPLICATION', 'the login may not replicate', { cause: thrown });
    default:
      return wrapPostgresError(thrown);
  }
}
