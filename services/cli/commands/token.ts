import { Option, type Command } from 'commander';
import { createToken, listTokens, revokeToken, type Role } from '../../gateway/http/auth.ts';
import { PayflowError } from '../../shared/errors.ts';
import { withDatabase } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { EXIT } from '../exit-code.ts';

const DAY_SECONDS = 86_400;

export function tokenCommand(cli: Cli): Command {
  return cli
    .command('token', 'access tokens of people and programs', [
      'token create --role viewer --name dashboard',
      'token list',
      'token revoke dashboard',
    ])
    .addCommand(createCommand(cli))
    .addCommand(listCommand(cli))
    .addCommand(revokeCommand(cli));
}

interface CreateOptions extends JsonOption {
  readonly role: Role;
  readonly name: string;
  readonly days?: string;
}

function createCommand(cli: Cli): Command {
  const command = cli
    .command('create', 'make a token; it is shown once', [
      'token create --role viewer --name dashboard',
      'token create --role operator --name deploy --days 90',
    ])
    .addOption(
      new Option('--role <role>', 'what it may do').choices(['viewer', 'operator']).makeOptionMandatory(),
    )
    .option('--name <name>', 'who or what uses it', 'unnamed')
    .option('--days <days>', 'how long it is valid; without it until it is revoked');
  return withJson(command).action(
    cli.action(async ({ role, name, days, json }: CreateOptions) => {
      const expiresInSeconds = days === undefined ? undefined : wholeDays(days) * DAY_SECONDS;
      const created = await withDatabase(cli, (pool) => createToken(pool, { role, name, expiresInSeconds }));
      if (json === true) cli.output.json(created);
      else cli.output.line(created.token);
      return EXIT.yes;
    }),
  );
}

function wholeDays(text: string): number {
  const days = Number(text);
  if (Number.isInteger(days) && days > 0) return days;
  throw new PayflowError('USAGE', `--days must be a whole number from 1, not ${text}`);
}

function listCommand(cli: Cli): Command {
  const command = cli.command('list', 'list tokens, without the tokens themselves', ['token list']);
  return withJson(command).action(
    cli.action(async ({ json }: JsonOption) => {
      const tokens = await withDatabase(cli, listTokens);
      if (json === true) cli.output.json(tokens);
      else {
        cli.output.table(
          ['id', 'name', 'role', 'created', 'last used', 'expires', 'revoked'],
          tokens.map((t) => [t.tokenId, t.name, t.role, t.createdAt, t.lastUsedAt, t.expiresAt, t.revokedAt]),
        );
      }
      return EXIT.yes;
    }),
  );
}

function revokeCommand(cli: Cli): Command {
  return cli
    .command('revoke', 'make a token invalid, by id or by name', ['token revoke dashboard'])
    .argument('<id or name>')
    .action(
      cli.action(async (nameOrId: string) => {
        const count = await withDatabase(cli, (pool) => revokeToken(pool, nameOrId));
        cli.output.line(count === 1 ? 'revoked' : `${count} tokens revoked`);
        return EXIT.yes;
      }),
    );
}
