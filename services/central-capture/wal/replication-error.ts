/** What the server says of a replication session, by the codes people look up. */
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { PayflowError } from '../../shared/errors.ts';

interface Names {
  readonly slot: string;
  readonly publication: string;
}

/**
 * A slot and a publication that are not there have one SQLSTATE; what raised it is told apart by its function, whose
 * name no language changes (src/backend/replication/slot.c).
 */
export function replicationError(thrown: unknown, { slot, publication }: Names): PayflowError {
  if (thrown instanceof PayflowError) return thrown;
  const { code, routine = '' } = thrown as { code?: unknown; routine?: string };
  // Before PostgreSQL 18, WAL of a time without the publication can't be decoded, whatever is there now.
  if (code === '42704' && !routine.startsWith('ReplicationSlot')) {
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
