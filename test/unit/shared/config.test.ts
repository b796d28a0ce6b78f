import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { effectiveSettings, loadConfig, requireSettings } from '../../../services/shared/config.ts';
import { PayflowError } from '../../../services/shared/errors.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-config-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function faultOf(body: () => unknown): PayflowError {
  try {
    body();
  } catch (error) {
    if (error instanceof PayflowError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('the environment', () => {
  it('gives every documented default', () => {
    expect(loadConfig({})).toMatchObject({
      dataDir: '.payflow',
      topicPrefix: 'payflow',
      syncMode: 'stream',
      syncSchedule: '*/5 * * * *',
      syncTimezone: 'UTC',
      syncBatchSize: 1000,
      txRows: 5000,
      resendAfterMs: 60_000,
      retentionDays: 30,
      freeMb: 500,
      gatewayHost: '127.0.0.1',
      gatewayPort: 8080,
      metricsPort: 0,
      logLevel: 'info',
      kafkaTlsEnabled: false,
    });
  });

  it('tells every wrong variable at once, by name', () => {
    const wrong = {
      DATABASE_URL: 'mysql://x',
      KAFKA_BROKERS: 'nohost',
      GATEWAY_PORT: '70000',
      SYNC_MODE: 'sometimes',
      SYNC_TIMEZONE: 'Mars/North',
      SYNC_SCHEDULE: 'every day',
      RESEND_AFTER: '60',
      TERMINAL_ID: 'a b',
    };
    const error = faultOf(() => loadConfig(wrong));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(new Set(error.details['variables'] as string[])).toEqual(new Set(Object.keys(wrong)));
    for (const name of Object.keys(wrong)) expect(error.message).toContain(name);
  });

  it('never repeats the value of a secret in an error', () => {
    const error = faultOf(() => loadConfig({ DATABASE_URL: 'mysql://u:hidden@h/d' }));
    expect(error.message).not.toContain('hidden');
  });

  it('names what is missing when a command needs it', () => {
    const error = faultOf(() => requireSettings(loadConfig({ DATABASE_URL: '' }), 'databaseUrl'));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', details: { variables: ['DATABASE_URL'] } });
  });

  it('takes an empty SYNC_SCHEDULE as off, any other empty variable as unset', () => {
    expect(loadConfig({ SYNC_SCHEDULE: '', DATA_DIR: '' })).toMatchObject({
      syncSchedule: '',
      dataDir: '.payflow',
    });
  });

  it('reads a secret from the file that <NAME>_FILE names, without its last newline', () => {
    const file = join(folder, 'url');
    writeFileSync(file, 'postgres://u:p@h/d\n');
    expect(loadConfig({ DATABASE_URL_FILE: file }).databaseUrl).toBe('postgres://u:p@h/d');
  });

  it('refuses a secret that is given twice, or whose file cannot be read', () => {
    const both = faultOf(() =>
      loadConfig({ DATABASE_URL: 'postgres://h/d', DATABASE_URL_FILE: '/dev/null' }),
    );
    expect(both.message).toContain('DATABASE_URL_FILE');
    const missing = faultOf(() => loadConfig({ PAYFLOW_TOKEN_FILE: join(folder, 'none') }));
    expect(missing.details['variables']).toEqual(['PAYFLOW_TOKEN_FILE']);
  });

  it('does not repeat what stands in <NAME>_FILE: it may be the secret itself', () => {
    const fault = faultOf(() => loadConfig({ DATABASE_URL_FILE: 'postgres://u:hidden@h/d' }));
    expect(fault.message).toContain('DATABASE_URL_FILE');
    expect(fault.message).not.toContain('hidden');
  });

  it('takes addresses and networks of proxies, and refuses what is neither', () => {
    expect(loadConfig({}).trustProxy).toEqual([]);
    expect(loadConfig({ TRUST_PROXY: '10.0.0.0/8, ::1' }).trustProxy).toEqual(['10.0.0.0/8', '::1']);
    for (const wrong of ['true', '*', '10.0.0.0/33', '10.0.0', '::/129', '10.0.0.0/8/8', 'proxy.example']) {
      expect(faultOf(() => loadConfig({ TRUST_PROXY: wrong })).message).toContain('TRUST_PROXY');
    }
  });

  it('reads durations, broker lists and switches', () => {
    const config = loadConfig({
      RESEND_AFTER: '2m',
      KAFKA_BROKERS: 'a:1, b:2',
      KAFKA_TLS_ENABLED: 'true',
      GATEWAY_URL: 'https://sync.example/',
    });
    expect(config).toMatchObject({
      resendAfterMs: 120_000,
      kafkaBrokers: ['a:1', 'b:2'],
      kafkaTlsEnabled: true,
      gatewayUrl: 'https://sync.example',
    });
  });
});

describe('payflow config', () => {
  it('masks every secret, and only the password of a URL', () => {
    const shown = effectiveSettings({
      DATABASE_URL: 'postgres://me:secret-a@db/shop?sslpassword=secret-b',
      KAFKA_SASL_PASSWORD: 'secret-c',
      PAYFLOW_TOKEN: 'secret-d',
      ENROLMENT_CODE: 'secret-e',
      KAFKA_TLS_KEY: 'secret-f',
    });
    expect(JSON.stringify(shown)).not.toContain('secret-');
    const url = shown.find(({ name }) => name === 'DATABASE_URL');
    expect(url).toMatchObject({ source: 'environment' });
    expect(url?.value).toContain('postgres://me:');
    expect(url?.value).toContain('@db/shop');
  });

  it.each([
    'user:hunter2@db:5432/shop',
    'postgres://me:hun/ter2@db/shop',
    'postgres://me:1#hunter2@db/shop',
    'postgres://me:1/hunter2@db/shop',
    'postgres://me:hunter2@db:port/shop',
    'host=db password=hunter2',
    'hunter2',
    'file:///hunter2',
    'localhost:5432/shop?password=hunter2',
  ])('masks as a whole what is no clear URL: %s', (text) => {
    for (const name of ['DATABASE_URL', 'DATABASE_REPLICATION_URL', 'GATEWAY_URL']) {
      const [shown] = effectiveSettings({ [name]: text }).filter((setting) => setting.name === name);
      expect(shown?.value).toBe('********');
    }
  });

  it('says where each value comes from, also while some are wrong', () => {
    const shown = new Map(effectiveSettings({ TX_ROWS: 'many' }).map((setting) => [setting.name, setting]));
    expect(shown.get('TX_ROWS')).toMatchObject({ value: 'many', source: 'environment' });
    expect(shown.get('DATA_DIR')).toMatchObject({ value: '.payflow', source: 'default' });
    expect(shown.get('DATABASE_URL')).toMatchObject({ value: null, source: 'unset' });
  });
});
