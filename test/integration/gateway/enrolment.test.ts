/** How a till is registered, enrolled and retired. */
import { describe, expect, it } from 'vitest';
import { registerTerminal, retireTerminal } from '../../../services/gateway/terminals.ts';
import { useGateway } from '../../support/gateway-rest.ts';
import { newPublicKey } from '../../support/gateway-site.ts';

const rest = useGateway();

describe('enrolment', () => {
  it('serves one key: repeatable for it after a lost reply, refused for another', async () => {
    const { enrolmentCode } = await registerTerminal(rest.pool, {
      terminalId: 'enrol-1',
      storeId: 's1',
      upPartitions: 4,
    });
    const publicKey = newPublicKey();
    const first = await rest.call('POST', '/api/v1/enroll', undefined, { code: enrolmentCode, publicKey });
    expect(first.body).toMatchObject({
      terminalId: 'enrol-1',
      storeId: 's1',
      databaseId: 'db-1',
      prefix: 'payflow',
      streams: { catalog: 'payflow.catalog', store: 'payflow.store.s1', up: 'payflow.up' },
      mapping: { version: 3, source: 'version: 1' },
      keyVersion: 1,
    });
    const again = await rest.call('POST', '/api/v1/enroll', undefined, { code: enrolmentCode, publicKey });
    expect(again.body).toMatchObject({ terminalId: 'enrol-1', keyVersion: 1 });
    const other = { code: enrolmentCode, publicKey: newPublicKey() };
    expect(await rest.call('POST', '/api/v1/enroll', undefined, other)).toMatchObject({
      status: 403,
      body: { code: 'ENROLMENT_REFUSED' },
    });
  });

  it('is used up with the first use of the token, also for the key that it served', async () => {
    const { enrolmentCode: code } = await registerTerminal(rest.pool, {
      terminalId: 'enrol-once',
      storeId: 's1',
      upPartitions: 4,
    });
    const body = { code, publicKey: newPublicKey() };
    const first = await rest.call('POST', '/api/v1/enroll', undefined, body);
    const repeated = await rest.call('POST', '/api/v1/enroll', undefined, body);
    expect([first.status, repeated.status]).toEqual([200, 200]);
    // The reply that arrived is the one that counts; the lost one's token is not good any more.
    const { token: lost } = first.body as { token: string };
    const { token } = repeated.body as { token: string };
    expect((await rest.call('GET', '/api/v1/terminals/enrol-once', lost)).status).toBe(401);
    expect((await rest.call('GET', '/api/v1/terminals/enrol-once', token)).status).toBe(200);
    expect(await rest.call('POST', '/api/v1/enroll', undefined, body)).toMatchObject({
      status: 403,
      body: { code: 'ENROLMENT_REFUSED' },
    });
    expect((await rest.call('GET', '/api/v1/terminals/enrol-once', token)).status).toBe(200);
  });

  it('leaves the code of a new registration alone while the old token is used', async () => {
    const { token } = await rest.till('enrol-anew');
    await rest.call('GET', '/api/v1/terminals/enrol-anew', token);
    const { enrolmentCode: code } = await registerTerminal(rest.pool, {
      terminalId: 'enrol-anew',
      storeId: 's1',
      upPartitions: 4,
    });
    expect((await rest.call('GET', '/api/v1/terminals/enrol-anew', token)).status).toBe(200);
    const body = { code, publicKey: newPublicKey() };
    expect((await rest.call('POST', '/api/v1/enroll', undefined, body)).status).toBe(200);
    expect((await rest.call('GET', '/api/v1/terminals/enrol-anew', token)).status).toBe(401);
  });

  it('refuses a code under another TERMINAL_ID, and leaves it good for its own till', async () => {
    const { enrolmentCode: code } = await registerTerminal(rest.pool, {
      terminalId: 'enrol-own',
      storeId: 's1',
      upPartitions: 4,
    });
    const enrol = (terminalId: string) =>
      rest.call('POST', '/api/v1/enroll', undefined, { code, publicKey: newPublicKey(), terminalId });
    expect(await enrol('enrol-other')).toMatchObject({ status: 403, body: { code: 'ENROLMENT_REFUSED' } });
    expect((await enrol('enrol-own')).body).toMatchObject({ terminalId: 'enrol-own', keyVersion: 1 });
  });

  it('refuses an expired code and a key that is not Ed25519', async () => {
    const { enrolmentCode: code } = await registerTerminal(rest.pool, {
      terminalId: 'enrol-2',
      storeId: 's1',
      upPartitions: 4,
    });
    const wrong = await rest.call('POST', '/api/v1/enroll', undefined, { code, publicKey: 'not a key' });
    expect(wrong).toMatchObject({ status: 422, body: { code: 'VALIDATION', field: 'publicKey' } });
    await rest.pool.query(
      "UPDATE payflow_sync.terminal SET enrolment_expires = now() - interval '1 s' WHERE terminal_id = 'enrol-2'",
    );
    const late = await rest.call('POST', '/api/v1/enroll', undefined, { code, publicKey: newPublicKey() });
    expect(late.status).toBe(403);
  });

  it('spreads tills over the partitions and never moves one', async () => {
    const partitions: number[] = [];
    for (const terminalId of ['part-1', 'part-2', 'part-3', 'part-1']) {
      await registerTerminal(rest.pool, { terminalId, storeId: 's9', upPartitions: 64 });
      const found = await rest.call('GET', `/api/v1/terminals/${terminalId}`, rest.viewer);
      partitions.push((found.body as { partition: number }).partition);
    }
    expect(new Set(partitions.slice(0, 3)).size).toBe(3);
    expect(partitions[3]).toBe(partitions[0]);
  });

  it('refuses to move a till to another store by registering it again', async () => {
    await registerTerminal(rest.pool, { terminalId: 'move-1', storeId: 's1', upPartitions: 4 });
    const move = registerTerminal(rest.pool, { terminalId: 'move-1', storeId: 's2', upPartitions: 4 });
    await expect(move).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('refuses the token of a retired till', async () => {
    const { token } = await rest.till('retire-1');
    await retireTerminal(rest.pool, 'retire-1');
    expect((await rest.call('GET', '/api/v1/terminals/retire-1', token)).status).toBe(401);
  });
});
