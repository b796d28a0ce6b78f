/** What the services' logins have to be allowed, as `payflow setup --grants` gives it. Pure. */
import { OWN_TABLES, SERVICE_LOGINS, type ServiceLogin } from '../../central-capture/setup/grants.ts';
import { splitTableName } from '../../shared/catalog/central-catalog.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import type { NeededRight } from './database-facts.ts';

const OWN_SCHEMA = 'payflow_sync';
const WRITTEN = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** @param mapping undefined: it can't be read, so only our own tables are known */
export function neededRights(mapping: Mapping | undefined): NeededRight[] {
  return SERVICE_LOGINS.flatMap((service) => [
    { service, schema: OWN_SCHEMA, table: null, right: 'USAGE' },
    ...Object.entries(OWN_TABLES).flatMap(([table, rights]) =>
      (rights[service] ?? []).map((right) => ({ service, schema: OWN_SCHEMA, table, right })),
    ),
    ...(mapping === undefined ? [] : businessRights(service, mapping)),
  ]);
}

function businessRights(service: ServiceLogin, { tables }: Mapping): NeededRight[] {
  if (service === 'gateway') return [];
  const named = tables.map(({ central, direction }) => ({ ...splitTableName(central), direction }));
  const schemas = [...new Set(named.map(({ schema }) => schema))];
  return [
    ...schemas.map((schema) => ({ service, schema, table: null, right: 'USAGE' })),
    ...named.flatMap(({ schema, table, direction }) => {
      // One that is only pushed is written where an operator lends a refused change that right, and never else.
      const rights = service === 'apply' && direction !== 'push' ? WRITTEN : ['SELECT'];
      return rights.map((right) => ({ service, schema, table, right }));
    }),
  ];
}
