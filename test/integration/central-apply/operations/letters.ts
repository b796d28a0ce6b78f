/** Dead letters of a till, and a product that its changes are about. */
import type { useCentre } from '../../../support/apply-site.ts';
import type { ChangeSpec, FakeTill } from '../../../support/centre.ts';

/** Longer than the centre's column takes. */
export const TOO_LONG = 'x'.repeat(21);

export function lettersOf(centre: ReturnType<typeof useCentre>, till: () => FakeTill) {
  async function letterIds(of: FakeTill = till()): Promise<string[]> {
    const rows = await centre.all<{ id: string }>(
      'SELECT dead_letter_id AS id FROM payflow_sync.dead_letter WHERE terminal_id = $1 ORDER BY dead_letter_id',
      [of.terminal],
    );
    return rows.map(({ id }) => String(id));
  }

  async function letterId(): Promise<string> {
    const [id] = await letterIds();
    if (id === undefined) throw new Error('there is no dead letter');
    return id;
  }

  const letter = (id: string) =>
    centre.one<{
      state: string;
      tries: number;
      code: string;
      last_code: string | null;
      decided_by: string | null;
      changes: string;
      mended: string | null;
    }>('SELECT * FROM payflow_sync.dead_letter WHERE dead_letter_id = $1', [id]);

  const exceptions = async () => (await centre.progressOf(till())).exceptions;

  /** A product that the centre has, and the till knows by its central id. */
  async function product(values: { name?: string; stock?: number } = {}) {
    const sku = `sku-${centre.nextOffset()}`;
    const { id } = await centre.one<{ id: string }>(
      `INSERT INTO products (sku, name, price, stock, updated_at) VALUES ($1, $2, 1, $3, '2020-01-01') RETURNING id`,
      [sku, values.name ?? 'first', values.stock ?? 10],
    );
    const row = { identity: `i-${sku}`, centralId: String(id) };
    const update = (old: ChangeSpec['old'], next: ChangeSpec['new']): ChangeSpec => ({
      op: 'u',
      table: 'products',
      row,
      ...(old && { old }),
      ...(next && { new: next }),
    });
    const now = () =>
      centre.one<{ name: string; stock: string; price: string; deleted_at: Date | null }>(
        'SELECT name, stock::text, price::text, deleted_at FROM products WHERE id = $1',
        [id],
      );
    return { id: String(id), sku, row, update, now };
  }

  return { letterIds, letterId, letter, exceptions, product };
}
