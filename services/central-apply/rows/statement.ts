/**
 * What a statement on business tables was about. An error of it says so, since the server names the table only
 * sometimes, and in a trigger another one; causes of failures are told apart by it.
 */
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { TextRow } from './sql.ts';

export interface Written {
  /** Central name as in the mapping. */
  readonly table: string;
  readonly kind: 'insert' | 'update' | 'delete' | 'read';
  readonly columns: readonly string[];
  /** Central names of further tables that the same statement was about. */
  readonly besides?: readonly string[] | undefined;
}

/** @returns what the statement was about that ended with this error; null where it was none of a business table */
export function writtenBy(error: PayflowError): Written | null {
  return (error.details['written'] as Written | undefined) ?? null;
}

/** Rows of a statement whose error tells what it was about. */
export async function about(written: Written, rows: Promise<TextRow[]>): Promise<TextRow[]> {
  try {
    return await rows;
  } catch (thrown) {
    const error = wrapPostgresError(thrown);
    throw new PayflowError(error.code, error.message, {
      cause: error.cause,
      details: { ...error.details, written: writtenBy(error) ?? written },
    });
  }
}
