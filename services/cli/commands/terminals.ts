import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Retirement } from '../../gateway/retirement.ts';
import type { Registration } from '../../gateway/terminals.ts';
import type { Config } from '../../shared/config.ts';
import { PayflowError } from '../../shared/errors.ts';
import { sleep } from '../../shared/lifecycle.ts';
import { withJson, type Cli, type JsonOption } from '../cli.ts';
import { kafkaAccess, type KafkaAccess } from '../kafka-access.ts';
import { EXIT } from '../exit-code.ts';
import { tillRegistry, type TerminalDetails, type WantedTerminal } from '../till-registry.ts';
import { waitLine } from '../till-waits.ts';
import { kafkaRemovals } from '../till/kafka-removals.ts';

export function terminalsCommand(cli: Cli): Command {
  return cli
    .command('terminals', 'the tills', [
      'terminals register --terminal till-7 --store berlin-1',
      'terminals list',
      'terminals show till-7',
      'terminals retire till-7',
    ])
    .addCommand(registerCommand(cli))
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(unfenceCommand(cli))
    .addCommand(retireCommand(cli));
}

interface RegisterOptions extends JsonOption {
  readonly terminal?: string;
  readonly store?: string;
  readonly from?: string;
  readonly replace?: true;
}

function registerCommand(cli: Cli): Command {
  const command = cli
    .command('register', 'register a till and print its one-use enrolment code (valid for 24 h)', [
      'terminals register --terminal till-7 --store berlin-1',
      'terminals register --from tills.csv --json',
      'terminals register --terminal till-7 --store hamburg-2 --replace',
    ])
    .option('--terminal <id>', 'id of the till')
    .option('--store <id>', 'store it stands in')
    .option('--from <file>', 'CSV with the columns terminal and store, for many at once')
    .option('--replace', 'also tills that are enrolled, retired or of another store');
  return withJson(command).action(
    cli.action(async (options: RegisterOptions) => {
      const wanted = whichTerminals(options);
      const registered: Registration[] = [];
      const onRegistered = (till: Registration) => void registered.push(till);
      try {
        await tillRegistry(cli).register(wanted, { replace: options.replace === true, onRegistered });
      } finally {
        if (registered.length > 0) printRegistrations(cli, registered, options);
      }
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
      const found = await tillRegistry(cli).list(store);
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

function showCommand(cli: Cli): Command {
  const command = cli
    .command('show', 'one till: how it stands, and the files that sent as it', [
      'terminals show till-7',
      'terminals show till-7 --json',
    ])
    .argument('<id>');
  return withJson(command).action(
    cli.action(async (terminalId: string, { json }: JsonOption) => {
      const till = await tillRegistry(cli).show(terminalId);
      if (json === true) cli.output.json(till);
      else showTill(cli, till);
      return EXIT.yes;
    }),
  );
}

function showTill({ output }: Cli, till: TerminalDetails): void {
  const { terminalId, storeId, status, why, since, incarnations } = till;
  output.line(`${terminalId} of store ${storeId}: ${status}`);
  if (why !== null) output.line(`${status} since ${since ?? 'an unknown time'}: ${why}`);
  output.line(`held records ${till.held}, open dead letters ${till.deadLetters}`);
  for (const wait of till.waits) output.line(waitLine(terminalId, wait));
  output.line();
  output.table(
    [
      'incarnation',
      'state',
      'sent before as',
      'first seen',
      'last seen',
      '↑ units',
      '↑ changes',
      'held',
      'as',
    ],
    incarnations.map((each) => [
      each.incarnation,
      each.state,
      each.predecessor,
      each.firstSeenAt,
      each.lastSeenAt,
      each.units,
      each.changes,
      each.heldRecords,
      each.heldReasons.join(', '),
    ]),
    'it has sent nothing yet',
  );
  if (status !== 'fenced') return;
  output.line();
  output.line(
    `Which of these files goes on is said by: payflow terminals unfence ${terminalId} --incarnation X`,
  );
}

function unfenceCommand(cli: Cli): Command {
  const command = cli
    .command('unfence', 'say which of a till’s files goes on; the others are superseded', [
      'terminals show till-7',
      'terminals unfence till-7 --incarnation 6f9619ff-8b86-d011-b42d-00c04fc964ff',
    ])
    .argument('<id>')
    .requiredOption('--incarnation <name>', 'the file that goes on, as `terminals show` names it');
  return withJson(command).action(
    cli.action(async (terminalId: string, { incarnation, json }: JsonOption & { incarnation: string }) => {
      const result = await tillRegistry(cli).unfence(terminalId, incarnation);
      if (json === true) cli.output.json(result);
      else {
        cli.output.line(`${terminalId} goes on as ${result.incarnation}`);
        cli.output.line(
          `held records released ${result.released}, turned into dead letters ${result.givenUp}`,
        );
      }
      return EXIT.yes;
    }),
  );
}

/** Central-apply reads on all the time; asking more often would not make it faster. */
const RETIRE_LOOK_MS = 500;
const RETIRE_TELL_MS = 3_000;

function retireCommand(cli: Cli): Command {
  const command = cli
    .command('retire', 'take a till out of service, once what it has sent is applied', [
      'terminals retire till-7',
    ])
    .argument('<id>');
  return withJson(command).action(
    cli.action(async (terminalId: string, { json }: JsonOption) => {
      const retired = await retire(cli, terminalId);
      if (json === true) cli.output.json(retired);
      else printRetired(cli, retired);
      return EXIT.yes;
    }),
  );
}

/** @throws PayflowError SYNC_TIMEOUT when it is interrupted: typed again, it goes on */
async function retire(cli: Cli, terminalId: string): Promise<Retirement> {
  const registry = tillRegistry(cli);
  for (let toldAt = -Infinity; ;) {
    const now = await registry.retire(terminalId);
    if (now.state === 'retired') return now;
    if (cli.signal.aborted) {
      throw new PayflowError(
        'SYNC_TIMEOUT',
        `${terminalId} is being retired; the same command goes on with it`,
      );
    }
    if (performance.now() - toldAt >= RETIRE_TELL_MS) {
      toldAt = performance.now();
      cli.output.note(
        `${terminalId}: ↑ ${now.recordsAhead} records of its partition are still to be applied`,
      );
    }
    await sleep(RETIRE_LOOK_MS, cli.signal);
  }
}

function printRetired(cli: Cli, { terminalId, held, deadLetters, lastSeenAt }: Retirement): void {
  const { output } = cli;
  output.line(`${terminalId} is retired; what was in the log is applied`);
  if (held > 0) output.line(`held and not applied: ${held} records (payflow terminals show ${terminalId})`);
  if (deadLetters > 0) output.line(`refused and not applied: ${deadLetters} dead letters`);
  output.line(`what it sold and had not sent yet is only in its file; last seen ${lastSeenAt ?? 'never'}`);
  for (const line of kafkaRemovals(cli.config, terminalId)) output.line(line);
}
