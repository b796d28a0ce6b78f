/** Lists of what went wrong, page by page. */
import type { Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import { MASKED } from '../../../services/shared/mapping/masking.ts';
import { useGateway } from '../../support/gateway-rest.ts';

const rest = useGateway();

const SHOP = `
version: 1
tables:
  products: {scope: global}
  users:
    central: staff
    scope: global
    rename: {pin: pin_hash}
    sensitive: [pin]
`;

async function publish(pool: Pool, source: string): Promise<void> {
  await pool.query('UPDATE payflow_sync.mapping SET version = version + 1, source = $1', [source]);
}

describe('lists', () => {
  it('pages through every dead letter exactly once, newest first', async () => {
    await rest.pool.query(
      `INSERT INTO payflow_sync.dead_letter
         (terminal_id, incarnation, unit, first_seq, last_seq, changes, code, message)
       SELECT 't', 'i', n, n, n, '[]', '23505', 'doubled' FROM generate_series(1, 7) n`,
    );
    const units: number[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = await rest.call(
        'GET',
        `/api/v1/dead-letters?limit=3${cursor && `&cursor=${cursor}`}`,
        rest.viewer,
      );
      const body = page.body as { deadLetters: { unit: number }[]; nextCursor: string | null };
      units.push(...body.deadLetters.map(({ unit }) => unit));
      cursor = body.nextCursor;
    }
    expect(units).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect((await rest.call('GET', '/api/v1/dead-letters?cursor=zz', rest.viewer)).status).toBe(422);
  });

  it('shows both versions of a conflict to an operator, and to a viewer which columns differ', async () => {
    await publish(rest.pool, SHOP);
    await rest.pool.query(
      `INSERT INTO payflow_sync.conflict (table_name, central_id, terminal_id, seq, central_row, terminal_row, winner, rule)
       VALUES ('products', '5', 't', 9, '{"name":"a","price":"1"}', '{"name":"b","price":"1"}', 'terminal', 'last-writer-wins')`,
    );
    const asOperator = await rest.call('GET', '/api/v1/conflicts', rest.operator);
    expect(asOperator.body).toMatchObject({
      conflicts: [
        {
          table: 'products',
          columns: ['name'],
          centralRow: { name: 'a' },
          terminalRow: { name: 'b' },
          winner: 'terminal',
        },
      ],
      nextCursor: null,
    });
    const { body } = await rest.call('GET', '/api/v1/conflicts', rest.viewer);
    const [shown] = (body as { conflicts: object[] }).conflicts;
    expect(shown).toMatchObject({
      table: 'products',
      centralId: '5',
      columns: ['name'],
      rule: 'last-writer-wins',
    });
    expect(shown).not.toHaveProperty('centralRow');
    expect(shown).not.toHaveProperty('terminalRow');
  });

  it('shows a sensitive column to nobody, also in the words of PostgreSQL', async () => {
    await publish(rest.pool, SHOP);
    const row = (pin: string) => JSON.stringify({ username: 'ada', pin_hash: pin });
    await rest.pool.query(
      `INSERT INTO payflow_sync.conflict (table_name, central_id, terminal_id, seq, central_row, terminal_row, winner, rule)
       VALUES ('staff', '1', 't', 9, $1, $2, 'central', 'central-wins'), ('gone', '1', 't', 9, $1, $2, 'central', 'x')`,
      [row('hash-of-central'), row('hash-of-till')],
    );
    const changes = [
      {
        seq: 1,
        table: 'users',
        columns: [
          { name: 'username', old: null, new: 'ada-lovelace' },
          { name: 'pin', old: null, new: 'hash-of-refused' },
        ],
      },
    ];
    await rest.pool.query(
      `INSERT INTO payflow_sync.dead_letter
         (terminal_id, incarnation, unit, first_seq, last_seq, changes, code, constraint_name, message)
       VALUES ('t', 'i', 1, 1, 1, $1, '23505', 'users_pin_key', $2)`,
      [JSON.stringify(changes), 'PIN hash-of-refused of "ada-lovelace" is taken by "users_pin_key"'],
    );
    for (const token of [rest.viewer, rest.operator]) {
      for (const path of ['/api/v1/conflicts', '/api/v1/dead-letters']) {
        const answer = JSON.stringify((await rest.call('GET', path, token)).body);
        expect(answer).not.toMatch(/hash-of-/);
        expect(answer.includes('ada')).toBe(token === rest.operator);
      }
    }
    const { body } = await rest.call('GET', '/api/v1/dead-letters?limit=1', rest.viewer);
    expect(body).toMatchObject({
      deadLetters: [{ message: `PIN ${MASKED} of "${MASKED}" is taken by "users_pin_key"`, code: '23505' }],
    });
  });
});

describe('a till that waits at the centre', () => {
  it('is shown with the cause and since when, without the words of PostgreSQL', async () => {
    await rest.pool.query(`
      INSERT INTO payflow_sync.terminal (terminal_id, store_id, up_partition) VALUES ('waits', 's', 0), ('tries', 's', 0);
      INSERT INTO payflow_sync.hold
        (terminal_id, reason, state, cause_table, write_kind, code, constraint_name, message, since, tries)
      VALUES
        ('waits', 'centre', 'centre', 'orders', 'insert', '23502', '', 'null in row (4711)', '2026-11-01T08:00:00Z', 7),
        ('waits', 'bounds', 'centre', '', '', 'HELD_TOO_MUCH', '', 'more', '2026-11-02T08:00:00Z', 1),
        ('tries', 'centre', 'trying', 'orders', 'insert', '23505', 'k', 'once more', now(), 1)`);
    const shown = async (id: string) => (await rest.call('GET', `/api/v1/terminals/${id}`, rest.viewer)).body;
    expect(await shown('waits')).toMatchObject({
      waits: [
        {
          code: 'CENTRE_CAUSE',
          sqlState: '23502',
          table: 'orders',
          constraint: null,
          since: '2026-11-01T08:00:00.000Z',
          tries: 7,
        },
        { code: 'HELD_TOO_MUCH', sqlState: null, table: null },
      ],
    });
    expect(JSON.stringify(await shown('waits'))).not.toContain('4711');
    expect(await shown('tries')).toMatchObject({ waits: [] });
  });
});
