/** Lists of what went wrong, page by page. */
import { describe, expect, it } from 'vitest';
import { useGateway } from '../../support/gateway-rest.ts';

const rest = useGateway();

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

  it('shows both versions of a conflict', async () => {
    await rest.pool.query(
      `INSERT INTO payflow_sync.conflict (table_name, central_id, terminal_id, seq, central_row, terminal_row, winner, rule)
       VALUES ('products', '5', 't', 9, '{"name":"a"}', '{"name":"b"}', 'terminal', 'last-writer-wins')`,
    );
    const { body } = await rest.call('GET', '/api/v1/conflicts', rest.operator);
    expect(body).toMatchObject({
      conflicts: [
        { table: 'products', centralRow: { name: 'a' }, terminalRow: { name: 'b' }, winner: 'terminal' },
      ],
      nextCursor: null,
    });
  });
});
