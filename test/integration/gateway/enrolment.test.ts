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
      replace: true,
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

  it('refuses before it makes anything: this gateway has no log in which a stream could be made', async () => {
    await rest.till('refused-1', 's1');
    const register = (terminalId: string, storeId: string) =>
      rest.call('POST', '/api/v1/terminals', rest.operator, { terminalId, storeId });
    expect(await register('refused-1', 'mistyped')).toMatchObject({
      status: 409,
      body: { code: 'CONFLICT' },
    });
    expect(await register('refused-1', '../s1')).toMatchObject({ status: 422 });
    // What is not refused needs the stream first: without it no code is made that nobody could use.
    expect((await register('refused-2', 's1')).status).toBeGreaterThanOrEqual(500);
    const { rows } = await rest.pool.query('SELECT FROM payflow_sync.terminal WHERE terminal_id = $1', [
      'refused-2',
    ]);
    expect(rows).toEqual([]);
  });

  it('refuses the token of a retired till', async () => {
    const { token } = await rest.till('retire-1');
    await retireTerminal(rest.pool, 'retire-1');
    expect((await rest.call('GET', '/api/v1/terminals/retire-1', token)).status).toBe(401);
  });
});

describe('a till that is registered again', () => {
  const options = { storeId: 's1', upPartitions: 4 };
  const enrol = (code: string, publicKey: string) =>
    rest.call('POST', '/api/v1/enroll', undefined, { code, publicKey });

  it('needs --replace once it is enrolled; its old installation is told who took its place, and when', async () => {
    const { token } = await rest.till('twice-1');
    const again = { ...options, terminalId: 'twice-1' };
    await expect(registerTerminal(rest.pool, again)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('--replace') as string,
    });
    const { enrolmentCode } = await registerTerminal(rest.pool, { ...again, replace: true });
    expect((await rest.call('GET', '/api/v1/terminals/twice-1', token)).status).toBe(200);
    expect((await enrol(enrolmentCode, newPublicKey())).status).toBe(200);
    expect(await rest.call('GET', '/api/v1/terminals/twice-1', token)).toMatchObject({
      status: 401,
      body: {
        code: 'TERMINAL_REPLACED',
        detail: expect.stringMatching(/enrolled again with another key at \d{4}-/) as string,
      },
    });
    expect(await rest.call('GET', '/api/v1/terminals/twice-1', 'pft_wrong')).toMatchObject({
      body: { code: 'UNAUTHENTICATED', detail: expect.stringContaining('unknown') as string },
    });
  });

  it('moves to another store under a registration of its own, and keeps those before', async () => {
    await rest.till('moved-1');
    const moved = { terminalId: 'moved-1', storeId: 's2', upPartitions: 4 };
    await expect(registerTerminal(rest.pool, moved)).rejects.toMatchObject({ code: 'CONFLICT' });
    await registerTerminal(rest.pool, { ...moved, replace: true });
    const { rows } = await rest.pool.query(
      `SELECT registration, store_id FROM payflow_sync.registration WHERE terminal_id = 'moved-1' ORDER BY 1`,
    );
    expect(rows).toEqual([
      { registration: 1, store_id: 's1' },
      { registration: 2, store_id: 's2' },
    ]);
    const current = await rest.pool.query(
      `SELECT registration, store_id FROM payflow_sync.terminal WHERE terminal_id = 'moved-1'`,
    );
    expect(current.rows).toEqual([{ registration: 2, store_id: 's2' }]);
  });

  it('is enrolled with its new code while it is fenced, and stays fenced', async () => {
    await rest.till('fenced-2');
    await rest.pool.query(
      `UPDATE payflow_sync.terminal SET status = 'fenced', enrolled_at = now() - interval '1 h' WHERE terminal_id = 'fenced-2'`,
    );
    const again = { ...options, terminalId: 'fenced-2', replace: true };
    const { enrolmentCode } = await registerTerminal(rest.pool, again);
    const key = newPublicKey();
    expect((await enrol(enrolmentCode, key)).status).toBe(200);
    expect((await enrol(enrolmentCode, key)).status).toBe(200);
    expect((await enrol(enrolmentCode, newPublicKey())).status).toBe(403);
    expect((await rest.call('GET', '/api/v1/terminals/fenced-2', rest.viewer)).body).toMatchObject({
      status: 'fenced',
    });
  });

  it('that was retired is taken back into service, with what was held meanwhile', async () => {
    await rest.till('back-1');
    await retireTerminal(rest.pool, 'back-1');
    await rest.pool.query(
      `INSERT INTO payflow_sync.held (terminal_id, incarnation, unit, part, parts, reason, record)
       VALUES ('back-1', 'i', 1, 1, 1, 'retired', ''), ('back-1', 'j', 1, 1, 1, 'fenced', '')`,
    );
    const again = { ...options, terminalId: 'back-1' };
    await expect(registerTerminal(rest.pool, again)).rejects.toMatchObject({ code: 'TERMINAL_RETIRED' });
    await registerTerminal(rest.pool, { ...again, replace: true });
    const { rows } = await rest.pool.query(
      `SELECT reason FROM payflow_sync.held WHERE terminal_id = 'back-1' ORDER BY held_id`,
    );
    expect(rows).toEqual([{ reason: 'released' }, { reason: 'fenced' }]);
    await rest.pool.query(`DELETE FROM payflow_sync.held WHERE terminal_id = 'back-1'`);
  });

  it.each(['.', '..', 'a.', 'nul'])('%s is no id of a till', async (terminalId) => {
    await expect(registerTerminal(rest.pool, { ...options, terminalId })).rejects.toMatchObject({
      code: 'VALIDATION',
    });
  });
});
