import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { grantsSql, OWN_TABLES } from '../../../../services/central-capture/setup/grants.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { schemaFile } from '../../../../services/shared/paths.ts';

const LOGINS = { capture: 'c', apply: 'a', gateway: 'g' };
const MAPPING = parseMapping(`
version: 1
tables:
  products: {scope: global}
  sales: {central: 'Shop.Old Sales', scope: global}
`);

describe('grants', () => {
  it('name every table of payflow_sync for some service, and none that is not there', () => {
    const sql = readFileSync(schemaFile('postgres', 'payflow_sync.sql'), 'utf8');
    const made = [...sql.matchAll(/^CREATE TABLE IF NOT EXISTS payflow_sync\.(\w+)/gm)].map(
      (match) => match[1],
    );
    expect(Object.keys(OWN_TABLES).sort()).toEqual(made.sort());
    for (const rights of Object.values(OWN_TABLES)) expect(Object.keys(rights)).not.toHaveLength(0);
  });

  it('give the gateway nothing of the business, and capture nothing to write in it', () => {
    const parts = grantsSql(MAPPING, LOGINS).split(/^-- (?=capture|apply|gateway)/m);
    const [, capture = '', apply = '', gateway = ''] = parts;
    expect(gateway).not.toMatch(/products|Old Sales/);
    expect(capture).toContain('GRANT SELECT ON\n  "Shop"."Old Sales",\n  "public"."products"\nTO "c";');
    expect(apply).toContain('GRANT SELECT, INSERT, UPDATE, DELETE ON\n  "Shop"."Old Sales"');
    expect(capture).toContain('LOGIN REPLICATION');
    expect(apply + gateway).not.toContain('REPLICATION');
  });

  it('quote whatever a login is called', () => {
    const sql = grantsSql(MAPPING, { ...LOGINS, gateway: `o'brien"; DROP ROLE x; --` });
    expect(sql).toContain(`CREATE ROLE "o'brien""; DROP ROLE x; --" LOGIN;`);
    expect(sql).toContain(`rolname = 'o''brien"; DROP ROLE x; --'`);
  });
});
