import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import type { Pool } from 'pg';
import { checkCentre, setupCentre } from '../../central-capture/setup/setup.ts';
import { grantsSql, SERVICE_LOGINS } from '../../central-capture/setup/grants.ts';
import type { SetupOptions } from '../../central-capture/setup/setup-context.ts';
import { requireSettings } from '../../shared/config.ts';
import { makeDataDir } from '../../shared/data-dir.ts';
import { withReleasers, type Releaser } from '../../shared/lifecycle.ts';
import type { EventLog } from '../../shared/log/event-log.ts';
import { DEFAULT_UP_PARTITIONS } from '../../shared/log/topics.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { PayflowError } from '../../shared/errors.ts';
import { centreConfig, readMapping, withCentre } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { findUp } from '../up/running-up.ts';
import { eventLogFile } from '../up/up-resources.ts';

export function setupCommand(cli: Cli): Command {
  const command = cli
    .command('setup', 'make the centre ready: schema, publication, slot, replica identity, mapping, topics', [
      'setup',
      'setup --check',
      'setup --grants | psql "$DATABASE_URL"',
    ])
    .option('--check', 'only say what is missing')
    .option(
      '--grants',
      'print the SQL for a login of its own for capture, apply and gateway; changes nothing',
    );
  for (const service of SERVICE_LOGINS) {
    command.option(
      `--${service}-login <name>`,
      `with --grants: the login of ${service}`,
      `payflow_${service}`,
    );
  }
  return withJson(command).action(
    cli.action(async ({ check, json, grants, ...names }: SetupCommandOptions) => {
      const config = centreConfig(cli);
      const { topicPrefix: prefix, horizonDays } = config;
      const mapping = readMapping(config);
      if (grants === true) return printGrants(cli, mapping, names);
      return withReleasers(async (onRelease) => {
        const ownLog = logOfThisMachine(cli, { isChanged: check !== true, onRelease });
        const body = async ({ pool, eventLog }: { pool: Pool; eventLog: EventLog }) => {
          const upPartitions = DEFAULT_UP_PARTITIONS;
          const onWait = (text: string) => cli.output.note(text);
          const options: SetupOptions = {
            pool,
            eventLog,
            prefix,
            mapping,
            horizonDays,
            upPartitions,
            onWait,
          };
          return check === true ? report(cli, options, json === true) : setUp(cli, options, json === true);
        };
        return withCentre(cli, body, { ownLog });
      });
    }),
  );
}

/**
 * Without Kafka, and before the first `up`: the log that this one will use. Whoever only looks makes none.
 * @returns its file; undefined where the log is known otherwise
 */
function logOfThisMachine(
  cli: Cli,
  { isChanged, onRelease }: { readonly isChanged: boolean; readonly onRelease: (undo: Releaser) => void },
): string | undefined {
  const { config, output } = cli;
  if (config.kafkaBrokers !== undefined || findUp(config.dataDir) !== undefined) return undefined;
  requireSettings(config, 'databaseUrl');
  const file = eventLogFile(config.dataDir);
  output.note(
    `KAFKA_BROKERS is not set: the log is ${file}, and \`payflow up\` runs everything on this machine`,
  );
  if (isChanged) makeDataDir(config.dataDir, 'shared');
  if (isChanged || existsSync(file)) return file;
  const folder = mkdtempSync(join(tmpdir(), 'payflow-check-'));
  onRelease(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, basename(file));
}

interface LoginOptions {
  readonly captureLogin: string;
  readonly applyLogin: string;
  readonly gatewayLogin: string;
}
type SetupCommandOptions = JsonOption & LoginOptions & { readonly check?: true; readonly grants?: true };

function printGrants(cli: Cli, mapping: Mapping, { captureLogin, applyLogin, gatewayLogin }: LoginOptions) {
  const logins = { capture: captureLogin, apply: applyLogin, gateway: gatewayLogin };
  if (new Set(Object.values(logins)).size < SERVICE_LOGINS.length) {
    throw new PayflowError('USAGE', 'capture, apply and gateway need a login each');
  }
  cli.output.line(grantsSql(mapping, logins).trimEnd());
  return EXIT.yes;
}

async function setUp(cli: Cli, options: SetupOptions, json: boolean) {
  const result = await setupCentre(options);
  if (json) cli.output.json(result);
  else {
    for (const change of result.changes) cli.output.line(`done: ${change}`);
    const { databaseId, epoch, mappingVersion } = result;
    cli.output.line(`complete: database ${databaseId}, epoch ${epoch}, mapping version ${mappingVersion}`);
  }
  return EXIT.yes;
}

async function report(cli: Cli, options: SetupOptions, json: boolean) {
  const missing = await checkCentre(options);
  if (json) cli.output.json({ complete: missing.length === 0, missing });
  else if (missing.length === 0) cli.output.line('complete');
  else for (const what of missing) cli.output.line(`missing: ${what}`);
  return missing.length === 0 ? EXIT.yes : EXIT.no;
}
