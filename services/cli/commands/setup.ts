import type { Command } from 'commander';
import { checkCentre, setupCentre } from '../../central-capture/setup/setup.ts';
import type { SetupOptions } from '../../central-capture/setup/setup-context.ts';
import { DEFAULT_UP_PARTITIONS } from '../../shared/log/topics.ts';
import { centreConfig, readMapping, withCentre } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';

export function setupCommand(cli: Cli): Command {
  const command = cli
    .command('setup', 'make the centre ready: schema, publication, slot, replica identity, mapping, topics', [
      'setup',
      'setup --check',
    ])
    .option('--check', 'only say what is missing');
  return withJson(command).action(
    cli.action(async ({ check, json }: JsonOption & { check?: true }) => {
      const config = centreConfig(cli);
      const { topicPrefix: prefix, horizonDays } = config;
      const mapping = readMapping(config);
      return withCentre(cli, async ({ pool, eventLog }) => {
        const upPartitions = DEFAULT_UP_PARTITIONS;
        const onWait = (text: string) => cli.output.note(text);
        const options: SetupOptions = { pool, eventLog, prefix, mapping, horizonDays, upPartitions, onWait };
        return check === true ? report(cli, options, json === true) : setUp(cli, options, json === true);
      });
    }),
  );
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
