/**
 * What each service's own login needs, and nothing more: `payflow setup --grants` prints it as SQL for psql. A new
 * table of payflow_sync gets a line here for every service that touches it (a test compares with
 * payflow_sync.sql), and the same SQL is run again after an upgrade: rights that are no longer listed are taken
 * away.
 *
 *            | database    | payflow_sync | business tables                                      | role
 *   ---------+-------------+--------------+------------------------------------------------------+-------------
 *   capture  | CONNECT     | as below     | SELECT                                               | REPLICATION,
 *            |             |              |                                                      | pg_read_all_stats
 *   apply    | CONNECT     | as below     | SELECT, INSERT, UPDATE, DELETE; USAGE of sequences   |
 *   gateway  | CONNECT     | as below     | none                                                 |
 *
 * capture reads pg_stat_activity for transactions that wait for a synchronous standby (their rows are in the WAL
 * before a seeding can see them). apply may also write tables that are only pushed: an operator can lend a
 * refused change that right. Triggers of the business run with apply's rights, unless SECURITY DEFINER.
 */
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { quoteIdent } from './published-tables.ts';

export const SERVICE_LOGINS = ['capture', 'apply', 'gateway'] as const;
export type ServiceLogin = (typeof SERVICE_LOGINS)[number];
export type LoginNames = Readonly<Record<ServiceLogin, string>>;

type Privilege = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';

const READ: readonly Privilege[] = ['SELECT'];
const ADD: readonly Privilege[] = ['SELECT', 'INSERT'];
const CHANGE: readonly Privilege[] = ['SELECT', 'UPDATE'];
const WRITE: readonly Privilege[] = ['SELECT', 'INSERT', 'UPDATE'];
const ALL: readonly Privilege[] = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

export const OWN_TABLES: Readonly<Record<string, Partial<Record<ServiceLogin, readonly Privilege[]>>>> = {
  meta: { capture: READ, apply: READ, gateway: READ },
  mapping: { capture: CHANGE, apply: READ, gateway: READ },
  terminal: { capture: READ, apply: CHANGE, gateway: WRITE },
  registration: { apply: READ, gateway: ADD },
  incarnation: { apply: WRITE, gateway: WRITE },
  token: { gateway: CHANGE },
  consumed: { apply: WRITE },
  progress: { capture: READ, apply: WRITE, gateway: CHANGE },
  link: { capture: READ, apply: ALL },
  outcome: { capture: READ, apply: ALL },
  forgotten: { apply: WRITE },
  row_version: { apply: ALL },
  dead_letter: { apply: ALL, gateway: READ },
  dead_letter_row: { apply: ALL, gateway: READ },
  hold: { apply: ALL, gateway: READ },
  held: { apply: ALL, gateway: CHANGE },
  refused_record: { apply: ALL, gateway: READ },
  conflict: { apply: ALL, gateway: READ },
  stream: { capture: WRITE, gateway: READ },
  topic: { capture: ALL, gateway: READ },
  schema: { capture: ADD },
  seeding: { capture: CHANGE, gateway: CHANGE },
  watched_table: { capture: ALL, gateway: READ },
  awaited_parent: { capture: ALL },
  operation: { apply: ALL, gateway: ADD },
  job: { gateway: ALL },
  verify: { gateway: ALL },
};

/** What psql can run as it is, as often as one likes; the logins get no password by it. */
export function grantsSql(mapping: Mapping, logins: LoginNames): string {
  const business = mapping.tables.map(({ central }) => qualified(central)).sort();
  const parts = [HEAD, ...SERVICE_LOGINS.map((service) => serviceSql(service, logins[service], business))];
  return parts.join('\n');
}

const HEAD = `-- Logins of payflow-sync with the least rights, for psql; harmless when run again.
-- They get no password here. Give each one:  \\password <login>
\\set ON_ERROR_STOP on
BEGIN;
`;

function serviceSql(service: ServiceLogin, login: string, business: readonly string[]): string {
  const role = quoteIdent(login);
  const lines = [
    `-- ${service}`,
    createRole(login, service === 'capture'),
    `DO $grant$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), ${literal(login)}); END $grant$;`,
    `GRANT USAGE ON SCHEMA payflow_sync TO ${role};`,
    `REVOKE ALL ON ALL TABLES IN SCHEMA payflow_sync FROM ${role};`,
    ...ownGrants(service, role),
    ...businessGrants(service, login, business),
    ...(service === 'capture' ? [`GRANT pg_read_all_stats TO ${role};`] : []),
    ...(service === 'gateway' ? ['COMMIT;'] : []),
    '',
  ];
  return lines.join('\n');
}

/** There is no CREATE ROLE IF NOT EXISTS. */
function createRole(login: string, replication: boolean): string {
  const options = replication ? 'LOGIN REPLICATION' : 'LOGIN';
  const [role, name] = [quoteIdent(login), literal(login)];
  return [
    'DO $grant$ BEGIN',
    `  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${name}) THEN`,
    `    CREATE ROLE ${role} ${options};`,
    ...(replication
      ? [
          `  ELSIF NOT (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = ${name}) THEN`,
          `    ALTER ROLE ${role} REPLICATION;`,
        ]
      : []),
    '  END IF;',
    'END $grant$;',
  ].join('\n');
}

function ownGrants(service: ServiceLogin, role: string): string[] {
  const tablesOf = new Map<string, string[]>();
  for (const [table, rights] of Object.entries(OWN_TABLES)) {
    const privileges = rights[service]?.join(', ');
    if (privileges === undefined) continue;
    tablesOf.set(privileges, [...(tablesOf.get(privileges) ?? []), `payflow_sync.${table}`]);
  }
  return [...tablesOf].map(
    ([privileges, tables]) => `GRANT ${privileges} ON ${tables.join(', ')} TO ${role};`,
  );
}

function businessGrants(service: ServiceLogin, login: string, tables: readonly string[]): string[] {
  const role = quoteIdent(login);
  if (service === 'gateway' || tables.length === 0) return [];
  const schemas = [...new Set(tables.map((table) => table.slice(0, table.indexOf('"."') + 1)))];
  const privileges = service === 'apply' ? ALL : READ;
  return [
    `GRANT USAGE ON SCHEMA ${schemas.join(', ')} TO ${role};`,
    `GRANT ${privileges.join(', ')} ON\n  ${tables.join(',\n  ')}\nTO ${role};`,
    ...(service === 'apply' ? [sequenceGrants(login, tables)] : []),
  ];
}

/** Keys are made ahead, so the sequences behind them too: those of a column, and those that a default names. */
function sequenceGrants(login: string, tables: readonly string[]): string {
  const names = tables.map((table) => literal(table)).join(', ');
  return `DO $grant$ DECLARE s regclass; BEGIN
  FOR s IN
    WITH mapped AS (SELECT oid::regclass FROM unnest(ARRAY[${names}]::regclass[]) AS oid)
    SELECT d.objid::regclass FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
       AND d.refobjid IN (SELECT oid FROM mapped)
    UNION
    SELECT d.refobjid::regclass FROM pg_attrdef f
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
      JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'S'
     WHERE f.adrelid IN (SELECT oid FROM mapped)
  LOOP
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', s, ${literal(login)});
  END LOOP;
END $grant$;`;
}

function qualified(central: string): string {
  const [first = '', second] = central.split('.');
  return second === undefined
    ? `"public".${quoteIdent(first)}`
    : `${quoteIdent(first)}.${quoteIdent(second)}`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
