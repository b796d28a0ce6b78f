import { effectiveSettings, loadConfig } from '../../shared/config.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';

/** `payflow config`: shows also what is wrong, then fails on it. */
export function configCommand(cli: Cli) {
  const command = cli.command('config', 'show the effective values of all variables, secrets masked', [
    'config',
    'config --json',
  ]);
  return withJson(command).action(
    cli.action(async ({ json }: JsonOption) => {
      const settings = effectiveSettings(cli.env);
      if (json === true) cli.output.json(settings);
      else {
        const rows = settings.map(({ name, value, source, help }) => [name, value, source, help]);
        cli.output.table(['variable', 'value', 'from', 'meaning'], rows);
      }
      loadConfig(cli.env);
      return EXIT.yes;
    }),
  );
}
