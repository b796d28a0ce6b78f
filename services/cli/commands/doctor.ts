import type { Command } from 'commander';
import type { Pool } from 'pg';
import { removeToken } from '../../gateway/http/auth.ts';
import { createPool, rethrowWrapped } from '../../shared/database/postgres.ts';
import { requireSettings, type Config } from '../../shared/config.ts';
import type { EventLog } from '../../shared/log/event-log.ts';
import { withReleasers, type Releaser } from '../../shared/lifecycle.ts';
import { centreConfig, openCentreLog, readMapping } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { diagnose } from '../doctor/diagnosis.ts';
import { AREAS, asked, reachedBy, type Asked, type Finding } from '../doctor/finding.ts';
import { EXIT } from '../exit-code.ts';
import { GatewayClient, gatewayUrl, makeOwnToken } from '../gateway-client.ts';
import { findUp } from '../up/running-up.ts';

/** What does not answer at once is a finding. */
const CONNECT_MS = 5_000;
const QUERY_MS = 8_000;
/** A till that is asked through the gateway has ten seconds. */
const GATEWAY_MS = 12_000;
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
    const pool = await answering(openPool(cli, onRelease));
    const eventLog = await openLog(cli, onRelease);
    const url = gatewayUrl(config);
    const client = (token: string) =>
      new GatewayClient({ url, token, signal: cli.signal, timeoutMs: GATEWAY_MS });
    const readiness = await asked(() => client('').readiness());
    const up = findUp(config.dataDir);
    const onDisk = {
      logFile: up?.eventLogFile ?? null,
      hasDatabase: up?.databaseUrl != null,
    };
    const body = async (gateway: Asked<GatewayClient>) =>
      diagnose({ config, mapping, pool, eventLog, readiness, gateway, onDisk, now: Date.now });
    const reached = reachedBy<unknown>({ kind: 'known', value: url }, readiness, 'the gateway');
    if (reached.kind !== 'known') return body(reached);
    return withToken(config, pool, async (token) =>
      body(token.kind === 'known' ? { kind: 'known', value: client(token.value) } : token),
    );
  });
}

/** PAYFLOW_TOKEN, else one that is made for this look; a login may not be allowed to, or the server be read-only. */
async function withToken<T>(
  { payflowToken }: Config,
  pool: Asked<Pool>,
  body: (token: Asked<string>) => Promise<T>,
): Promise<T> {
  if (payflowToken !== undefined) return body({ kind: 'known', value: payflowToken });
  if (pool.kind !== 'known') return body(pool);
  const made = await asked(() => makeOwnToken(pool.value));
  if (made.kind !== 'known') return body(made);
  try {
    return await body({ kind: 'known', value: made.value.token });
  } finally {
    await asked(() => removeToken(pool.value, made.value.tokenId));
  }
}

function openPool(cli: Cli, onRelease: (undo: Releaser) => void): Asked<Pool> {
  const { databaseUrl } = centreConfig(cli);
  if (databaseUrl === undefined) return { kind: 'unasked', why: 'DATABASE_URL is not set' };
  const pool = createPool({
    connectionString: databaseUrl,
    applicationName: 'payflow-doctor',
    max: 4,
    connectTimeoutMs: CONNECT_MS,
    queryTimeoutMs: QUERY_MS,
    log: cli.commandLog(),
  });
  onRelease(() => pool.end());
  return { kind: 'known', value: pool };
}

/** One that does not answer is waited for once. */
async function answering(pool: Asked<Pool>): Promise<Asked<Pool>> {
  if (pool.kind !== 'known') return pool;
  const answer = await asked(() => pool.value.query('SELECT').catch(rethrowWrapped));
  return answer.kind === 'failed' ? answer : pool;
}

async function openLog(cli: Cli, onRelease: (undo: Releaser) => void): Promise<Asked<EventLog>> {
  const opened = await asked(async () => Promise.resolve(openCentreLog(cli)));
  if (opened.kind === 'known') onRelease(() => opened.value.close());
  const isUnset = opened.kind === 'failed' && opened.error.code === 'CONFIG_INVALID';
  return isUnset ? { kind: 'unasked', why: opened.error.message } : opened;
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
      const text = message.replace(/\s*\n\s*/g, ' ');
      output.line(`  ${MARKS[level]} ${code === null ? '' : `[${code}] `}${text}`);
      if (remedy !== null) output.line(`          ${remedy}`);
    }
  }
  output.line();
  output.line(`${errors} errors, ${warnings} warnings`);
}
