/** An agent that is stopped while it takes a file of the version before over: the app is not kept waiting for the rest. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadConfig } from '../../../../services/shared/config.ts';
import { EmbeddedLog } from '../../../../services/shared/log/embedded-log.ts';
import { runTerminal } from '../../../../services/terminal-agent/main.ts';
import { isOldFile } from '../../../../services/terminal-agent/take-over/old-file.ts';
import { SHOP_MAPPING } from '../../../support/shop-till.ts';
import { TakenTill } from '../../../support/taken-till.ts';
import { silentLog } from '../../../support/till.ts';

let old: TakenTill;

beforeEach(() => {
  old = new TakenTill();
});
afterEach(() => old.close());

function enrol(folder: string): void {
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(join(folder, 'terminal.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const identity = {
    terminalId: 'T1',
    storeId: 'S1',
    token: 'token',
    databaseId: 'database',
    prefix: 'payflow',
    partition: 0,
    streams: { catalog: 'catalog', store: 'store', up: 'up' },
    mapping: { version: 1, source: SHOP_MAPPING },
    keyVersion: 1,
    gatewayUrl: 'http://127.0.0.1:1',
  };
  writeFileSync(join(folder, 'terminal.json'), JSON.stringify(identity));
}

it('leaves the rest to the next start, and the file to the old triggers', async () => {
  const { folder, file, app } = old;
  enrol(folder);
  const config = loadConfig({ DATA_DIR: folder, TERMINAL_DB: file });
  const eventLog = new EmbeddedLog({ file: join(folder, 'log.db'), log: silentLog, maintenanceMs: 0 });
  const stop = new AbortController();
  const log = pino({ level: 'info', hooks: { logMethod: () => stop.abort() } });
  await runTerminal(config, { log, signal: stop.signal, eventLog });
  await eventLog.close();
  expect(stop.signal.aborted).toBe(true);
  expect(isOldFile(app)).toBe(true);
});
