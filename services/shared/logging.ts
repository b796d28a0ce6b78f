/** The log: pino; readable on a terminal, JSON lines elsewhere. Secrets are never logged. */
import { pino, type Logger, type LevelWithSilent } from 'pino';
import pretty from 'pino-pretty';
import { PayflowError } from './errors.ts';

export interface LoggerOptions {
  readonly level: LevelWithSilent;
  /** Default: whether the output is a terminal. */
  readonly pretty?: boolean;
  /** Default: standard error, so that what a command prints stays clean. */
  readonly destination?: NodeJS.WritableStream & { isTTY?: boolean };
  /** Stands on every line: the service's name, the terminal. */
  readonly base?: Readonly<Record<string, unknown>>;
}

/** Paths whose values are replaced, whatever is logged by mistake. */
const REDACTED = [
  'token',
  'password',
  'authorization',
  'databaseUrl',
  'databaseReplicationUrl',
  'connectionString',
  'enrolmentCode',
  'privateKey',
  'kafkaSaslPassword',
];

/**
 * @returns a logger whose `err` entries carry our code and remedy; with the stack, unless it is an outage that
 * goes away by itself: a day without network is then a line per attempt, and nobody looks for a defect in it
 */
export function createLogger(options: LoggerOptions): Logger {
  const destination = options.destination ?? process.stderr;
  const readable = options.pretty ?? destination.isTTY === true;
  const settings = {
    level: options.level,
    base: options.base ?? {},
    redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`]), censor: '********' },
    serializers: { err: serializeError },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (!readable) return pino(settings, destination);
  return pino(
    settings,
    pretty({ destination, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' }),
  );
}

function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const plain = pino.stdSerializers.err(error);
  if (!(error instanceof PayflowError)) return plain;
  const { code, remedy, details } = error;
  if (error.retry === 'timed') return { type: plain.type, message: plain.message, code, remedy, details };
  return { ...plain, code, remedy, details };
}
