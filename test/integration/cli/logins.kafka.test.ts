/**
 * Least rights, proved by the whole journey: capture, apply and gateway each under the login that `setup --grants`
 * makes, the till under the user that `terminals register` names at a Kafka that refuses what no ACL allows.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import kafkajs, { type AclEntry } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startKafkaWithUsers, type RunningKafka } from '../../../scripts/support/kafka.ts';
import { runKafkaTool } from '../../../scripts/support/local-kafka.ts';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { loadConfig, type Environment } from '../../../services/shared/config.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { openEventLog } from '../../../services/shared/log/open-event-log.ts';
import { storeStream, catalogTopic, upStream } from '../../../services/shared/log/topics.ts';
import { silentLog } from '../../support/centre.ts';
import { Journey, PIN_HASH } from '../../support/journey.ts';

const ADMIN = { username: 'admin', password: randomBytes(12).toString('hex') };
const PREFIX = `acl_${randomBytes(4).toString('hex')}`;
const LOGIN_PASSWORD = randomBytes(12).toString('hex');
const logins = {
  capture: `${PREFIX}_capture`,
  apply: `${PREFIX}_apply`,
  gateway: `${PREFIX}_gateway`,
};

let postgres: RunningPostgres;
let kafka: RunningKafka;
let journey: Journey;
let operator: string | undefined;
let register: { enrolmentCode: string; kafka: { username: string; password: string; commands: string[] } };

beforeAll(async () => {
  [postgres, kafka] = await Promise.all([startPostgres(), startKafkaWithUsers(ADMIN)]);
  journey = new Journey({ DATABASE_URL: postgres.url, ...atKafka(ADMIN) });
  await journey.makeShop();
});

afterAll(async () => {
  await journey.stop();
  for (const login of Object.values(logins)) {
    await withAdmin(`DROP OWNED BY ${login}; DROP ROLE ${login};`);
  }
  await kafka.stop();
  await postgres.stop();
});

async function withAdmin(sql: string): Promise<void> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(sql);
  await client.end();
}

function atKafka({ username, password }: { username: string; password: string }): Environment {
  return {
    KAFKA_BROKERS: kafka.brokers,
    KAFKA_SASL_MECHANISM: 'scram-sha-512',
    KAFKA_SASL_USERNAME: username,
    KAFKA_SASL_PASSWORD: password,
    TOPIC_PREFIX: PREFIX,
  };
}

function databaseUrl(login: string): string {
  const url = new URL(postgres.url);
  url.username = login;
  url.password = LOGIN_PASSWORD;
  return url.href;
}

/** What psql does with it, but for its own commands. */
async function runPrinted(sql: string): Promise<void> {
  await journey.pool.query(sql.replace(/^\\.*$/gm, ''));
}

/** kafka-acls.sh is not among the jars of a broker; its flags are taken word by word. */
function aclsOf(command: string): AclEntry[] {
  const values = (flag: string) =>
    [...command.matchAll(new RegExp(`--${flag} (\\S+)`, 'g'))].map((m) => m[1] ?? '');
  const operations: Record<string, number> = { Read: 3, Write: 4, Describe: 8 };
  return values('topic').flatMap((resourceName) =>
    values('operation').map((operation) => ({
      resourceType: kafkajs.AclResourceTypes.TOPIC,
      resourceName,
      resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
      principal: values('allow-principal')[0] ?? '',
      host: '*',
      operation: operations[operation] ?? 0,
      permissionType: kafkajs.AclPermissionTypes.ALLOW,
    })),
  );
}

async function runAtKafka(commands: readonly string[]): Promise<void> {
  const admin = new kafkajs.Kafka({
    brokers: [kafka.brokers],
    sasl: { mechanism: 'scram-sha-512', ...ADMIN },
    logLevel: kafkajs.logLevel.NOTHING,
  }).admin();
  await admin.connect();
  const login = `username="${ADMIN.username}" password="${ADMIN.password}"`;
  const properties = [
    'security.protocol=SASL_PLAINTEXT',
    'sasl.mechanism=SCRAM-SHA-512',
    `sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required ${login};`,
  ];
  writeFileSync(join(journey.folder, 'admin.properties'), properties.join('\n'));
  for (const command of commands) {
    const [script, ...args] = command.replaceAll("'", '').split(' ');
    if (script === 'kafka-configs.sh') await runKafkaTool('kafka.admin.ConfigCommand', args, journey.folder);
    else await admin.createAcls({ acl: aclsOf(command) });
  }
  await admin.disconnect();
}

describe('three logins and a till’s user', () => {
  it('are made by the SQL and the commands that are printed, again and again', async () => {
    await journey.must(['setup']);
    const names = (['capture', 'apply', 'gateway'] as const).flatMap((name) => [
      `--${name}-login`,
      logins[name],
    ]);
    const sql = await journey.must(['setup', '--grants', ...names]);
    await runPrinted(sql);
    await runPrinted(sql);
    for (const login of Object.values(logins)) {
      await journey.pool.query(`ALTER ROLE ${login} PASSWORD '${LOGIN_PASSWORD}'`);
    }
    expect((await journey.payflow(['setup', '--check'])).code).toBe(0);
    register = JSON.parse(
      await journey.must(['terminals', 'register', '--terminal', 'till-1', '--store', '1', '--json']),
    ) as typeof register;
    await journey.must(['terminals', 'register', '--terminal', 'till-2', '--store', '2']);
    await runAtKafka(register.kafka.commands);
  });

  it('suffice for the whole journey: enrol, push, pull, sync, status', async () => {
    const service = (name: keyof typeof logins): Environment => ({
      DATABASE_URL: databaseUrl(logins[name]),
      ...(name === 'gateway' ? { KAFKA_BROKERS: kafka.brokers, TOPIC_PREFIX: PREFIX } : atKafka(ADMIN)),
    });
    await journey.start('gateway', service('gateway'));
    await journey.start('capture', service('capture'));
    await journey.start('apply', service('apply'));
    await journey.start('terminal', {
      ...atKafka(register.kafka),
      DATA_DIR: join(journey.folder, 'till'),
      TERMINAL_ID: 'till-1',
      TERMINAL_DB: journey.tillFile,
      GATEWAY_URL: journey.gatewayUrl,
      ENROLMENT_CODE: register.enrolmentCode,
    });
    await journey.sellAndRename();
    const status = JSON.parse(
      await journey.must(['status', '--json'], { GATEWAY_URL: journey.gatewayUrl }),
    ) as unknown;
    expect(status).toMatchObject({ slot: { active: true }, terminals: [{ online: true }, {}] });
    expect(journey.lines.filter((line) => line.includes('permission denied'))).toEqual([]);
  });

  it('let the gateway see nothing of the business, and capture write nothing of it', async () => {
    const { default: pg } = await import('pg');
    const refused = async (login: string, sql: string) => {
      const client = new pg.Client({ connectionString: databaseUrl(login) });
      await client.connect();
      const code = await client.query(sql).then(
        () => 'done',
        (error: unknown) => (error as { code?: string }).code,
      );
      await client.end();
      return code;
    };
    expect(await refused(logins.gateway, 'SELECT FROM customers')).toBe('42501');
    expect(await refused(logins.gateway, 'SELECT FROM payflow_sync.link')).toBe('42501');
    expect(await refused(logins.gateway, 'DELETE FROM payflow_sync.token')).toBe('42501');
    expect(await refused(logins.capture, "UPDATE customers SET full_name = 'x'")).toBe('42501');
    expect(await refused(logins.capture, 'SELECT FROM payflow_sync.token')).toBe('42501');
    expect(await refused(logins.apply, 'SELECT FROM payflow_sync.token')).toBe('42501');
    expect(await refused(logins.apply, 'UPDATE payflow_sync.mapping SET version = 9')).toBe('42501');
  });

  it('let the till read no other store, and write nothing that tills show', async () => {
    const log = openEventLog(loadConfig(atKafka(register.kafka)), { clientId: 'test', log: silentLog });
    const append = (stream: { topic: string; partition: number }) =>
      codeOf(() => log.append(stream, [{ key: Buffer.from('k'), value: Buffer.from('v') }]));
    expect(await codeOf(() => log.offsets(storeStream(PREFIX, '1')))).toBe('done');
    expect(await codeOf(() => readOne(log, storeStream(PREFIX, '2')))).toBe('LOG_AUTH');
    expect(await append(storeStream(PREFIX, '1'))).toBe('LOG_AUTH');
    expect(await append({ topic: catalogTopic(PREFIX), partition: 0 })).toBe('LOG_AUTH');
    expect(await codeOf(() => readOne(log, upStream(PREFIX, 0)))).toBe('LOG_AUTH');
    await log.close();
  });

  it('and no secret of any of them stands in a log, an answer or a message', async () => {
    const users = JSON.stringify({ username: 'ada', pin_hash: PIN_HASH });
    const change = {
      seq: 1,
      table: 'users',
      op: 'u',
      columns: [{ name: 'pin_hash', old: null, new: PIN_HASH }],
    };
    await journey.pool.query(
      `INSERT INTO payflow_sync.conflict (table_name, terminal_id, seq, central_row, terminal_row, winner, rule)
       VALUES ('users', 'till-1', 1, $1, $1, 'central', 'x')`,
      [users],
    );
    await journey.pool.query(
      `INSERT INTO payflow_sync.dead_letter
         (terminal_id, incarnation, unit, first_seq, last_seq, changes, code, message)
       VALUES ('till-1', 'i', 1, 1, 1, $1, '23514', $2)`,
      [JSON.stringify([change]), `refused: ${PIN_HASH}`],
    );
    const answers = await Promise.all(PATHS.map(async (path) => (await asked(path)).text()));
    await journey.payflow(['status'], {
      GATEWAY_URL: journey.gatewayUrl,
      PAYFLOW_TOKEN: `pfu_${'y'.repeat(43)}`,
    });
    await journey.payflow(['setup'], { DATABASE_URL: databaseUrl('nobody-of-this-name') });
    await journey.payflow(['setup'], atKafka({ username: 'nobody', password: LOGIN_PASSWORD }));
    const printed = journey.printed.filter(
      (text) => !text.includes('ENROLMENT_CODE') && !text.includes('enrolmentCode'),
    );
    const told = [...journey.lines, ...answers, ...printed].join('\n');
    expect(answers.join('').length).toBeGreaterThan(1_000);
    expect(journey.lines.length).toBeGreaterThan(10);
    for (const secret of await secrets()) expect(told.includes(secret), secret.slice(0, 6)).toBe(false);
  });
});

const PATHS = [
  '/healthz',
  '/readyz',
  '/metrics',
  '/openapi.json',
  '/api/v1/status',
  '/api/v1/terminals',
  '/api/v1/terminals/till-1',
  '/api/v1/terminals/till-1/catalog',
  '/api/v1/conflicts',
  '/api/v1/dead-letters',
];

async function asked(path: string): Promise<Response> {
  operator ??= (await journey.must(['token', 'create', '--role', 'operator'])).trim();
  return fetch(journey.gatewayUrl + path, { headers: { authorization: `Bearer ${operator}` } });
}

async function secrets(): Promise<string[]> {
  const { readFileSync } = await import('node:fs');
  const till = join(journey.folder, 'till');
  const { token } = JSON.parse(readFileSync(join(till, 'terminal.json'), 'utf8')) as { token: string };
  const key = readFileSync(join(till, 'terminal.key'), 'utf8').split('\n')[1] ?? '';
  const { password } = new URL(postgres.url);
  const all = [
    PIN_HASH,
    ADMIN.password,
    LOGIN_PASSWORD,
    register.kafka.password,
    register.enrolmentCode,
    token,
    key,
  ];
  // The password of a shared server may be a common word.
  return [...all, ...(password.length >= 12 ? [decodeURIComponent(password)] : [])];
}

async function codeOf(attempt: () => Promise<unknown>): Promise<string> {
  return attempt().then(
    () => 'done',
    (error: unknown) => String((error as { code?: unknown }).code),
  );
}

async function readOne(log: EventLog, stream: { topic: string; partition: number }): Promise<void> {
  const { first } = await log.offsets(stream);
  for await (const _ of log.read(stream, { from: first, signal: AbortSignal.timeout(30_000) })) return;
}
