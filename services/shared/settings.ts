/**
 * The declaration of every environment variable: name, type, default, help, and whether its value is a
 * secret. `config.ts` reads the environment by this table and by nothing else; `payflow config` and the
 * documentation print it.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { urlProblem } from './database/connection-url.ts';
import { isTerminalId } from './identifiers.ts';

export type SecretKind =
  /** Printed as it is. */
  | 'no'
  /** A URL: its password is masked, the rest is shown. */
  | 'url'
  /** Never shown. */
  | 'yes';

export interface Setting<Schema extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly schema: Schema;
  /** As one would write it in the environment; undefined: no default. */
  readonly default?: string;
  readonly help: string;
  readonly secret: SecretKind;
  /** `<NAME>_FILE` may name a file that holds the value. Always so for secrets. */
  readonly file: boolean;
  /** Set but empty is a value of its own (off), not the same as unset. */
  readonly emptyIsValue: boolean;
}

type Extras = Partial<Pick<Setting, 'default' | 'secret' | 'file' | 'emptyIsValue'>>;

function setting<Schema extends z.ZodType>(
  name: string,
  schema: Schema,
  help: string,
  extras: Extras = {},
): Setting<Schema> {
  const secret = extras.secret ?? 'no';
  return { name, schema, help, emptyIsValue: false, ...extras, secret, file: extras.file ?? secret !== 'no' };
}

/** With a default the value is always there. */
const text = z.string().trim().min(1, 'must not be empty');
const optionalText = text.optional();

const wholeNumber = (min: number, max = Number.MAX_SAFE_INTEGER) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

const port = wholeNumber(0, 65_535);

const bool = z
  .enum(['true', 'false', '1', '0', 'yes', 'no'], { error: 'must be true or false' })
  .transform((value) => value === 'true' || value === '1' || value === 'yes');

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `60s`, `500ms`, `2m`, `1h`, `1d` → milliseconds. */
const duration = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/, 'must be a duration like 60s, 500ms, 2m, 1h or 1d')
  .transform((value) => {
    const [, amount = '', unit = ''] = /^(\d+)(\w+)$/.exec(value) ?? [];
    return Number(amount) * (UNIT_MS[unit] ?? 0);
  });

const postgresUrl = z
  .string()
  .trim()
  .superRefine((value, context) => {
    const problem = urlProblem(value);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  })
  .optional();

const httpUrl = z
  .string()
  .trim()
  .refine((value) => /^https?:\/\/[^@]+$/.test(value) && URL.canParse(value), {
    error: 'must be a URL like https://host:8080, without user and password',
  })
  .transform((value) => value.replace(/\/+$/, ''))
  .optional();

const brokerList = z
  .string()
  .transform((value) =>
    value
      .split(',')
      .map((broker) => broker.trim())
      .filter((broker) => broker !== ''),
  )
  .refine((brokers) => brokers.length > 0 && brokers.every((b) => /^[^\s:]+:\d+$|^\[[^\]]+\]:\d+$/.test(b)), {
    error: 'must be host:port, several separated by commas',
  })
  .optional();

/** Addresses and networks, IPv4 or IPv6. */
const addressList = z
  .string()
  .transform((value) =>
    value
      .split(',')
      .map((address) => address.trim())
      .filter((address) => address !== ''),
  )
  .refine((addresses) => addresses.every(isAddressOrNetwork), {
    error: 'must be addresses or CIDRs like 10.0.0.0/8, several separated by commas',
  });

function isAddressOrNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

const terminalId = z
  .string()
  .refine(isTerminalId, 'must be 1 to 64 of letters, digits, . _ -, and fit for the name of a folder');

/** Also part of the names of topics, slot and publication. */
const prefix = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,62}$/,
    'must be 1 to 63 of a-z, 0-9, dot, _ and -, and begin with a letter or digit',
  );

const timezone = z.string().refine(
  (zone) => {
    try {
      new Intl.DateTimeFormat('en', { timeZone: zone });
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  },
  { error: 'must be an IANA time zone like UTC or Europe/Berlin' },
);

/** Minutes, hours, days, months, weekdays, maybe seconds before; whether each field makes sense is node-cron's. */
const cron = z
  .string()
  .trim()
  .refine((value) => value === '' || [5, 6].includes(value.split(/\s+/).length), {
    error: 'must have five or six cron fields, or be empty (off)',
  });

export const SETTINGS = {
  databaseUrl: setting('DATABASE_URL', postgresUrl, 'Central PostgreSQL. Under `up`: embedded if not set.', {
    secret: 'url',
  }),
  databaseReplicationUrl: setting(
    'DATABASE_REPLICATION_URL',
    postgresUrl,
    'Direct connection for replication and for sharing out partitions, when DATABASE_URL goes through a pooler.',
    { secret: 'url' },
  ),
  kafkaBrokers: setting(
    'KAFKA_BROKERS',
    brokerList,
    'host:port, comma separated. Under `up`: embedded log if not set.',
  ),
  kafkaSaslMechanism: setting(
    'KAFKA_SASL_MECHANISM',
    z
      .enum(['plain', 'scram-sha-256', 'scram-sha-512'], {
        error: 'must be plain, scram-sha-256 or scram-sha-512',
      })
      .optional(),
    'plain, scram-sha-256 or scram-sha-512.',
  ),
  kafkaSaslUsername: setting('KAFKA_SASL_USERNAME', optionalText, 'User at the brokers.'),
  kafkaSaslPassword: setting('KAFKA_SASL_PASSWORD', optionalText, 'Password at the brokers.', {
    secret: 'yes',
  }),
  kafkaTlsEnabled: setting('KAFKA_TLS_ENABLED', bool, 'Encrypt the connection to the brokers.', {
    default: 'false',
  }),
  kafkaTlsCa: setting('KAFKA_TLS_CA', optionalText, 'Certificate authority of the brokers, PEM.', {
    file: true,
  }),
  kafkaTlsCert: setting('KAFKA_TLS_CERT', optionalText, 'Client certificate, PEM.', { file: true }),
  kafkaTlsKey: setting('KAFKA_TLS_KEY', optionalText, 'Key of the client certificate, PEM.', {
    secret: 'yes',
  }),

  dataDir: setting('DATA_DIR', text, 'Folder for what this machine keeps.', { default: '.payflow' }),
  mappingFile: setting('MAPPING_FILE', text, 'The mapping; read at the centre only.', {
    default: 'schemas/mapping.yaml',
  }),
  topicPrefix: setting('TOPIC_PREFIX', prefix, 'Begins the names of topics, slot and publication.', {
    default: 'payflow',
  }),

  terminalId: setting('TERMINAL_ID', terminalId.optional(), 'This till, as registered.'),
  terminalDb: setting('TERMINAL_DB', optionalText, 'Path of the till’s payflow.db.'),
  enrolmentCode: setting('ENROLMENT_CODE', optionalText, 'One-use code printed by `terminals register`.', {
    secret: 'yes',
  }),
  gatewayUrl: setting('GATEWAY_URL', httpUrl, 'Where tills and the CLI reach the gateway.', {
    secret: 'url',
    file: false,
  }),
  payflowToken: setting('PAYFLOW_TOKEN', optionalText, 'Access token of the CLI.', { secret: 'yes' }),

  syncMode: setting(
    'SYNC_MODE',
    z.enum(['stream', 'scheduled', 'manual'], { error: 'must be stream, scheduled or manual' }),
    'The till’s: stream, scheduled (cron, REST, socket) or manual (REST, socket).',
    { default: 'stream' },
  ),
  syncSchedule: setting('SYNC_SCHEDULE', cron, 'The gateway’s cron; five or six fields, empty = off.', {
    default: '*/5 * * * *',
    emptyIsValue: true,
  }),
  verifySchedule: setting('VERIFY_SCHEDULE', cron, 'Cron of `payflow verify` over all tills; empty = off.', {
    default: '',
    emptyIsValue: true,
  }),
  syncTimezone: setting('SYNC_TIMEZONE', timezone, 'Time zone of SYNC_SCHEDULE and VERIFY_SCHEDULE.', {
    default: 'UTC',
  }),

  syncBatchSize: setting('SYNC_BATCH_SIZE', wholeNumber(1, 100_000), 'Rows per batch.', { default: '1000' }),
  txRows: setting('TX_ROWS', wholeNumber(1), 'Largest central transaction a till applies in one piece.', {
    default: '5000',
  }),
  resendAfterMs: setting('RESEND_AFTER', duration, 'Age at which an unsettled unit is published again.', {
    default: '60s',
  }),
  retentionDays: setting('RETENTION_DAYS', wholeNumber(1, 36_500), 'How long settled evidence is kept.', {
    default: '30',
  }),
  horizonDays: setting(
    'HORIZON_DAYS',
    wholeNumber(1, 3650).optional(),
    'How long a till may be away without re-reading: set at the centre, it reaches topics and tills. Unset: as last set, at first 14.',
  ),
  freeMb: setting('FREE_MB', wholeNumber(0), 'Free disk below which a till pauses push.', { default: '500' }),

  gatewayHost: setting('GATEWAY_HOST', text, 'Address the gateway listens on.', { default: '127.0.0.1' }),
  gatewayPort: setting('GATEWAY_PORT', port, 'Port of the gateway.', { default: '8080' }),
  gatewayTlsCert: setting(
    'GATEWAY_TLS_CERT',
    optionalText,
    'Certificate of the gateway, PEM or the path of a file: HTTPS and secure sockets.',
    { file: true },
  ),
  gatewayTlsKey: setting('GATEWAY_TLS_KEY', optionalText, 'Its key, PEM or the path of a file.', {
    secret: 'yes',
  }),
  trustProxy: setting(
    'TRUST_PROXY',
    addressList,
    'Proxies before the gateway whose X-Forwarded-For counts: addresses and CIDRs, comma separated; empty = none.',
    { default: '', emptyIsValue: true },
  ),
  metricsHost: setting('METRICS_HOST', text, 'Address that METRICS_PORT listens on.', {
    default: '127.0.0.1',
  }),
  metricsPort: setting('METRICS_PORT', port, 'Port of /healthz, /readyz, /metrics; 0 = off.', {
    default: '0',
  }),
  logLevel: setting(
    'LOG_LEVEL',
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      error: 'must be fatal, error, warn, info, debug, trace or silent',
    }),
    'How much is logged.',
    { default: 'info' },
  ),
} as const;

export type SettingKey = keyof typeof SETTINGS;
