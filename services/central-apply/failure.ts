/** What exactly failed, from the error and, where the error does not tell whose fault it is, from the catalog. */
import { asPayflowError, type PayflowError } from '../shared/errors.ts';
import { postgresFacts } from '../shared/database/postgres.ts';
import type { Failure } from './refusal-ladder.ts';
import type { CentralModel, TableModel } from './rows/model.ts';
import { quoteName, textArray, type Session } from './rows/sql.ts';
import { writtenBy } from './rows/statement.ts';

const NO_PRIVILEGE = '42501';
const NOT_NULL = '23502';

/** @param session in a transaction that takes statements again */
export async function failureOf(session: Session, model: CentralModel, thrown: unknown): Promise<Failure> {
  const failure = saidBy(thrown);
  if (failure.code !== NO_PRIVILEGE && failure.code !== NOT_NULL) return failure;
  await session.command('SAVEPOINT diagnosis');
  try {
    const isCentresCause = await isCentres(session, model, failure, thrown);
    await session.command('RELEASE SAVEPOINT diagnosis');
    return { ...failure, isCentres: isCentresCause };
  } catch (error) {
    // A catalog that can't be asked shows nothing; unless it is the session, which the rollback tells.
    await session.command('ROLLBACK TO SAVEPOINT diagnosis; RELEASE SAVEPOINT diagnosis').catch(() => {
      throw asPayflowError(error);
    });
    return failure;
  }
}

/** What the error itself says. */
export function saidBy(thrown: unknown): Failure {
  const error = asPayflowError(thrown);
  const facts = postgresFacts(error);
  const written = writtenBy(error);
  const { sqlState } = error.details;
  return {
    table: written?.table ?? facts?.table ?? '',
    kind: written?.kind ?? '',
    code: facts?.sqlState ?? (typeof sqlState === 'string' ? sqlState : error.code),
    constraint: facts?.constraint ?? '',
    message: error.message,
    schema: facts?.schema ?? null,
    column: facts?.column ?? null,
    isCentres: false,
  };
}

async function isCentres(
  session: Session,
  model: CentralModel,
  { code, column, kind }: Failure,
  thrown: unknown,
): Promise<boolean> {
  const error = asPayflowError(thrown);
  const written = writtenBy(error);
  if (written === null) return false;
  const tables = [written.table, ...(written.besides ?? [])].flatMap((name) => model.tables.get(name) ?? []);
  if (code === NO_PRIVILEGE) {
    for (const table of tables) if (await lacksRight(session, table, kind)) return true;
    return false;
  }
  if (code !== NOT_NULL || column === null) return false;
  // No till could fill in a column that the statement does not even name.
  return !written.columns.includes(column) && tables[0] !== undefined && isOf(session, tables[0], error);
}

/** Whether the error is about the table itself, or a partition of it, and not about one that a trigger writes. */
async function isOf(session: Session, table: TableModel, error: PayflowError): Promise<boolean> {
  const facts = postgresFacts(error);
  const name = `${quoteName(facts?.schema ?? '')}.${quoteName(facts?.table ?? '')}`;
  if (name === table.sql) return true;
  const [row] = await session.rows(
    'SELECT to_regclass($1) IN (SELECT relid FROM pg_partition_tree($2::regclass))',
    [name, table.sql],
  );
  return row?.[0] === 't';
}

const NEEDED: Readonly<Record<string, readonly string[]>> = {
  insert: ['INSERT', 'SELECT'],
  update: ['UPDATE', 'SELECT'],
  delete: ['DELETE', 'SELECT'],
  read: ['SELECT', 'UPDATE'],
};

/** Asked of anything but a sequence the function fails, and conditions have no order of their own. */
const NO_USE = `CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') ELSE false END`;

/** Whether our own role lacks a right that every such statement needs: on schema, table, columns or sequences. */
async function lacksRight(session: Session, table: TableModel, kind: Failure['kind']): Promise<boolean> {
  const needed = NEEDED[kind] ?? [];
  const [row] = await session.rows(
    `SELECT NOT has_schema_privilege(c.relnamespace, 'USAGE') OR row_security_active(c.oid)
         OR EXISTS (SELECT 1 FROM unnest($2::text[]) AS p(privilege)
                     WHERE NOT has_table_privilege(c.oid, p.privilege)
                       AND (p.privilege = 'DELETE' OR EXISTS (
                         SELECT 1 FROM pg_attribute a
                          WHERE a.attrelid = c.oid AND a.attname = ANY ($3::text[])
                            AND NOT has_column_privilege(c.oid, a.attnum, p.privilege))))
         OR EXISTS (SELECT 1 FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
                     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                       AND d.refobjid = c.oid AND ${NO_USE})
         OR EXISTS (SELECT 1 FROM pg_attrdef f
                      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                      JOIN pg_class s ON s.oid = d.refobjid
                     WHERE f.adrelid = c.oid AND d.refclassid = 'pg_class'::regclass AND ${NO_USE})
       FROM pg_class c WHERE c.oid = $1::regclass`,
    [table.sql, textArray(needed), textArray(table.columns)],
  );
  return row?.[0] === 't';
}
