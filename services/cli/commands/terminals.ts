import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ensureStoreStream } from '../../central-capture/setup/setup.ts';
import {
  listTerminals,
  registerTerminal,
  retireTerminal,
  type Registration,
} from '../../gateway/terminals.ts';
import type { Config } from '../../shared/config.ts';
import { PayflowError } from '../../shared/errors.ts';
import { inTransaction } from '../../shared/database/postgres.ts';
import { DEFAULT_UP_PARTITIONS } from '../../shared/log/topics.ts';
import { withCentre, withDatabase } from '../centre.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { kafkaAccess, type KafkaAccess } from '../kafka-access.ts';
import { EXIT } from '../exit-code.ts';

export function terminalsCommand(cli: Cli): Command {
  return cli
    .command('terminals', 'the tills', [
      'terminals register --terminal till-7 --store berlin-1',
      'terminals list',
      'terminals retire till-7',
    ])
    .addCommand(registerCommand(cli))
    .addCommand(listCommand(cli))
    .addCommand(retireCommand(cli));
}

interface RegisterOptions extends JsonOption {
  readonly terminal?: string;
  readonly store?: string;
  readonly from?: string;
}

function registerCommand(cli: Cli): Command {
  const command = cli
    .command('register', 'register a till and print its one-use enrolment code (valid for 24 h)', [
      'terminals register --terminal till-7 --store berlin-1',
      'terminals register --from tills.csv --json',
    ])
    .option('--terminal <id>', 'id of the till')
    .option('--store <id>', 'store it stands in')
    .option('--from <file>', 'CSV with the columns terminal and store, for many at once');
  return withJson(command).action(
    cli.action(async (options: RegisterOptions) => {
      const wanted = whichTerminals(options);
      const { topicPrefix, horizonDays } = cli.config;
      const registered = await withCentre(cli, async ({ pool, eventLog }) => {
        const stores = new Set(wanted.map(({ storeId }) => storeId));
        for (const storeId of stores) await ensureStoreStream(eventLog, topicPrefix, storeId, horizonDays);
        // All or none: a code that was made and then not printed would be lost.
        return inTransaction(pool, async (client) => {
          const done: Registration[] = [];
          for (const till of wanted) {
            done.push(await registerTerminal(client, { ...till, upPartitions: DEFAULT_UP_PARTITIONS }));
          }
          return done;
        });
      });
      printRegistrations(cli, registered, options);
      return EXIT.yes;
    }),
  );
}

function printRegistrations(
  cli: Cli,
  registered: readonly Registration[],
  { json, from }: RegisterOptions,
): void {
  const shown = registered.map((till) => ({ ...till, kafka: accessAtKafka(cli.config, till) }));
  if (json === true) return cli.output.json(from === undefined ? shown[0] : shown);
  shown.forEach(({ terminalId, storeId, enrolmentCode, kafka }, index) => {
    if (index > 0) cli.output.line();
    cli.output.line(`TERMINAL_ID=${terminalId}`);
    cli.output.line(`STORE_ID=${storeId}`);
    cli.output.line(`ENROLMENT_CODE=${enrolmentCode}`);
    if (kafka !== undefined) printKafkaAccess(cli, kafka);
  });
}

/** Only a Kafka that knows users can tell tills apart. */
function accessAtKafka(config: Config, { terminalId, storeId }: Registration): KafkaAccess | undefined {
  const { kafkaSaslMechanism: mechanism, kafkaBrokers: brokers, topicPrefix: prefix } = config;
  if (mechanism === undefined || brokers === undefined) return undefined;
  return kafkaAccess({ mechanism, brokers, prefix, terminalId, storeId });
}

function printKafkaAccess(cli: Cli, { username, password, commands }: KafkaAccess): void {
  cli.output.line(`KAFKA_SASL_USERNAME=${username}`);
  if (password !== null) cli.output.line(`KAFKA_SASL_PASSWORD=${password}`);
  cli.output.line('# At Kafka, by an administrator:');
  for (const command of commands) cli.output.line(command);
}

interface WantedTerminal {
  readonly terminalId: string;
  readonly storeId: string;
}

function whichTerminals({ terminal, store, from }: RegisterOptions): WantedTerminal[] {
  if (from !== undefined) {
    if (terminal !== undefined || store !== undefined) {
      throw new PayflowError('USAGE', 'either --from, or --terminal and --store');
    }
    const wanted = parseTerminalCsv(readCsv(from));
    if (wanted.length === 0) throw new PayflowError('USAGE', `--from ${from} names no till`);
    return wanted;
  }
  if (terminal === undefined || store === undefined) {
    throw new PayflowError('USAGE', '--terminal and --store are needed (or --from)');
  }
  return [{ terminalId: terminal, storeId: store }];
}

function readCsv(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PayflowError('USAGE', `--from ${file} cannot be read`, { cause });
  }
}

/**
 * The columns `terminal` and `store` (or terminal_id, store_id) in any order, separated by comma or semicolon,
 * named in the first line; without such a line the first two columns. Ids need no quoting, quotes are taken off.
 * @throws PayflowError USAGE naming the line
 */
export function parseTerminalCsv(text: string): WantedTerminal[] {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line, index) => ({ number: index + 1, cells: csvCells(line) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''));
  const head = (lines[0]?.cells ?? []).map((cell) => cell.toLowerCase().replace(/_?id$/, ''));
  const named = head.includes('terminal') && head.includes('store');
  const [terminalAt, storeAt] = named ? [head.indexOf('terminal'), head.indexOf('store')] : [0, 1];
  const lineOf = new Map<string, number>();
  return lines.slice(named ? 1 : 0).map(({ number, cells }) => {
    const terminalId = cells[terminalAt];
    const storeId = cells[storeAt];
    if (!terminalId || !storeId)
      throw new PayflowError('USAGE', `line ${number} needs a terminal and a store`);
    const before = lineOf.get(terminalId);
    if (before !== undefined)
      throw new PayflowError('USAGE', `line ${number} names ${terminalId} again, after line ${before}`);
    lineOf.set(terminalId, number);
    return { terminalId, storeId };
  });
}

function csvCells(line: string): string[] {
  return line.split(/[,;]/).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
}

function listCommand(cli: Cli): Command {
  const command = cli
    .command('list', 'list the tills', ['terminals list', 'terminals list --store berlin-1 --json'])
    .option('--store <id>', 'only of this store');
  return withJson(command).action(
    cli.action(async ({ store, json }: JsonOption & { store?: string }) => {
      const found = await withDatabase(cli, (pool) => listTerminals(pool, { storeId: store }));
      if (json === true) cli.output.json(found);
      else {
        cli.output.table(
          ['terminal', 'store', 'status', 'enrolled', 'last seen', 'last unit', 'held', 'dead letters'],
          found.map((t) => [
            t.terminalId,
            t.storeId,
            t.status,
            t.enrolledAt,
            t.lastSeenAt,
            t.lastUnit,
            t.held,
            t.deadLetters,
          ]),
          'no terminals registered',
        );
      }
      return EXIT.yes;
    }),
  );
}

function retireCommand(cli: Cli): Command {
  return cli
    .command('retire', 'take a till out of service; its token is refused from now on', [
      'terminals retire till-7',
    ])
    .argument('<id>')
    .action(
      cli.action(async (terminalId: string) => {
        await withDatabase(cli, (pool) => retireTerminal(pool, terminalId));
        cli.output.line(`${terminalId} is retired`);
        return EXIT.yes;
      }),
    );
}
