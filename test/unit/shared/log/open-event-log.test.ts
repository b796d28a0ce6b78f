import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../../services/shared/config.ts';
import { openEventLog } from '../../../../services/shared/log/open-event-log.ts';

async function saidAtStart(env: Record<string, string>): Promise<string> {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  const config = loadConfig({
    KAFKA_BROKERS: '127.0.0.1:9',
    KAFKA_SASL_USERNAME: 'till',
    KAFKA_SASL_PASSWORD: 'hidden',
    ...env,
  });
  await openEventLog(config, { clientId: 'test', log }).close();
  return lines.join('');
}

describe('opening the event log', () => {
  it('warns of a password that goes over the network as it is, and does not repeat it', async () => {
    const said = await saidAtStart({ KAFKA_SASL_MECHANISM: 'plain' });
    expect(JSON.parse(said)).toMatchObject({ level: 40, mechanism: 'plain' });
    expect(said).not.toContain('hidden');
  });

  it('says nothing where it is encrypted, or never sent', async () => {
    expect(await saidAtStart({ KAFKA_SASL_MECHANISM: 'plain', KAFKA_TLS_ENABLED: 'true' })).toBe('');
    expect(await saidAtStart({ KAFKA_SASL_MECHANISM: 'scram-sha-512' })).toBe('');
  });
});
