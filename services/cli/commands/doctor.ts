import type { Command } from 'commander';
import type { Pool } from 'pg';
import { createPool, wrapPostgresError } from '../../shared/database/postgres.ts';
import { requireSettings } from '../../shared/config.ts';
import type { EventLog } from '../../shared/log/event-log.ts';
import { withReleasers, type Releaser } from '../../shared/lifecycle.ts';
import { centreConfig, openCentreLog, readMapping } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { diagnose } from '../doctor/diagnosis.ts';
import { AREAS, asked, type Asked, type Finding } from '../doctor/finding.ts';
import { EXIT } from '../exit-code.ts';
import { withGateway, type GatewayClient } from '../gateway-client.ts';

/** What does not answer at once is a finding. */
const CONNECT_MS = 5_000;
const MARKS = { ok: 'ok     ', warning: 'WARNING', error: 'ERROR  ' } as const;

export function doctorCommand(cli: Cli): Command {
  const command = cli.command(
    'doctor',
    'one look at everything, with what to do; 1 if anything is wrong. Changes nothing',
    ['doctor', 'doctor --json'],
  );
  return withJson(command).action(
    cli.action(async ({ json }: JsonOption) => {
      const findings = await look(cli);
      const errors = findings.filter(({ level }) => level === 'error').length;
      const warnings = findings.filter(({ level }) => level === 'warning').length;
      if (json === true) cli.output.json({ errors, warnings, findings });
      else show(cli, findings, { errors, warnings });
      return errors > 0 ? EXIT.no : EXIT.yes;
    }),
  );
}

async function look(cli: Cli): Promise<Finding[]> {
  const config = centreConfig(cli);
  if (config.payflowToken === undefined) requireSettings(config, 'databaseUrl');
  return withReleasers(async (onRelease) => {
    const mapping = await asked(async () => Promise.resolve(readMapping(config)));
    const pool = openPool(cli, onRelease);
    const eventLog = await openLog(cli, onRelease);
    const body = async (gateway: Asked<GatewayClient>) =>
      diagnose({ config, mapping, pool, eventLog, gateway, now: Date.now });
    // Its token is made in the database: without that one there is nobody to ask.
    const hasTokens =
      pool.kind === 'known' && (await asked(() => lookForTokens(pool.value))).kind === 'known';
    if (config.payflowToken === undefined && !hasTokens) {
      return body({ kind: 'unasked', why: 'PAYFLOW_TOKEN is not set, and PostgreSQL has no tokens of ours' });
    }
    return withGateway(cli, async (client) => body({ kind: 'known', value: client }));
  });
}

function openPool(cli: Cli, onRelease: (undo: Releaser) => void): Asked<Pool> {
  const { databaseUrl } = centreConfig(cli);
  if (databaseUrl === undefined) return { kind: 'unasked', why: 'DATABASE_URL is not set' };
  const pool = createPool({
    connectionString: databaseUrl,
    applicationName: 'payflow-doctor',
    max: 4,
    connectTimeoutMs: CONNECT_MS,
    log: cli.commandLog(),
  });
  onRelease(() => pool.end());
  return { kind: 'known', value: pool };
}

async function openLog(cli: Cli, onRelease: (undo: Releaser) => void): Promise<Asked<EventLog>> {
  const opened = await asked(async () => Promise.resolve(openCentreLog(cli)));
  if (opened.kind === 'known') onRelease(() => opened.value.close());
  const isUnset = opened.kind === 'failed' && opened.error.code === 'CONFIG_INVALID';
  return isUnset ? { kind: 'unasked', why: opened.error.message } : opened;
}

async function lookForTokens(pool: Pool): Promise<void> {
  try {
    await pool.query('SELECT FROM payflow_sync.token LIMIT 1');
  } catch (error) {
    throw wrapPostgresError(error);
  }
}

function show(
  { output }: Cli,
  findings: readonly Finding[],
  { errors, warnings }: { readonly errors: number; readonly warnings: number },
): void {
  for (const area of AREAS) {
    const here = findings.filter((finding) => finding.area === area);
    if (here.length === 0) continue;
    output.line(area);
    for (const { level, code, message, remedy } of here) {
      output.line(`  ${MARKS[level]} ${code === null ? '' : `[${code}] `}${message}`);
      if (remedy !== null) output.line(`          ${remedy}`);
    }
  }
  output.line();
  output.line(`${errors} errors, ${warnings} warnings`);
}
