/** What a till gets to hear of tables that go one way only. */
import { describe, expect, test } from 'vitest';
import { useCentre } from '../../../support/apply-site.ts';
import { insert } from '../../../support/centre.ts';

const centre = useCentre();

describe('directions', () => {
  test('a pull-only table gets no image', async () => {
    const till = await centre.newTill();
    const id = '9b2f4d0e-6a53-4c1c-8e0a-2f1d3b4c5d6e';
    await centre.sendForResults(till, insert('audit_logs', 'a', { id: id.toUpperCase(), what: 'login' }));
    const results = await centre.sendForResults(till, insert('audit_logs', 'a', { id, what: 'login' }));
    expect(results).toEqual([{ outcome: 'duplicate', id, image: undefined }]);
  });

  test('a push-only table takes nothing and shows what stands there', async () => {
    const { id } = await centre.one<{ id: string }>(
      `INSERT INTO taxes (code, rate) VALUES ('A', 0.19) RETURNING id`,
    );
    const results = await centre.sendForResults(
      await centre.newTill(),
      {
        op: 'u',
        table: 'taxes',
        row: { identity: 't', centralId: id },
        old: { rate: 0.19 },
        new: { rate: 0.07 },
      },
      insert('taxes', 'new', { code: 'B', rate: 1 }),
    );
    expect(results).toMatchObject([{ outcome: 'lost', image: { rate: '0.1900' } }, { outcome: 'rejected' }]);
  });
});
