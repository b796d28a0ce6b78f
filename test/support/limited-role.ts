/** A login at a test centre that owns nothing and may do only what it is granted, as in production. */
import type { Pool } from 'pg';
import { createPool } from '../../services/shared/database/postgres.ts';
import { silentLog } from './till.ts';

export interface LimitedRole {
  readonly name: string;
  readonly url: string;
  readonly pool: Pool;
}

let made = 0;

/** @param admin may create roles; the new one may read and write everything there is */
export async function limitedRole(admin: Pool, adminUrl: string): Promise<LimitedRole> {
  made += 1;
  const name = `apply_${process.pid}_${made}`;
  await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'secret'`);
  for (const schema of ['public', 'payflow_sync']) {
    await admin.query(`GRANT USAGE ON SCHEMA ${schema} TO ${name}`);
    await admin.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${name}`);
    await admin.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${name}`);
  }
  const url = new URL(adminUrl);
  url.username = name;
  url.password = 'secret';
  return {
    name,
    url: url.href,
    pool: createPool({ connectionString: url.href, applicationName: name, max: 4, log: silentLog }),
  };
}
