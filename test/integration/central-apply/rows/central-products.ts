/** Products of head office that tills change, with every time given: conflicts are decided by time. */
import type { ApplySite } from '../../../support/apply-site.ts';
import type { ChangeSpec } from '../../../support/centre.ts';

export const NOW = Date.now();

export const iso = (ms: number): string => new Date(ms).toISOString();

interface Product {
  readonly id: string;
  readonly sku: string;
  readonly name: string;
  readonly price: string;
  readonly stock: string;
  readonly deleted_at: Date | null;
}

export class CentralProducts {
  readonly #site: ApplySite;
  #skus = 0;

  constructor(site: ApplySite) {
    this.#site = site;
  }

  newSku(): string {
    this.#skus += 1;
    return `sku-${this.#skus}`;
  }

  find(id: string | null): Promise<Product> {
    return this.#site.one<Product>('SELECT * FROM products WHERE id = $1', [id]);
  }

  /** A product last changed at `atMs`. @returns its central id */
  async add(atMs: number, values: { name?: string; stock?: number } = {}): Promise<string> {
    const { id } = await this.#site.one<{ id: string }>(
      `INSERT INTO products (sku, name, price, stock, updated_at) VALUES ($1, $2, 10, $3, $4) RETURNING id`,
      [this.newSku(), values.name ?? 'central', values.stock ?? 100, iso(atMs)],
    );
    return id;
  }
}

/** A till's update of a product, made at `atMs` by the till's clock. */
export const update = (
  id: string,
  atMs: number,
  old: ChangeSpec['old'],
  next: ChangeSpec['new'],
): ChangeSpec => ({
  op: 'u',
  table: 'products',
  row: { identity: `p-${id}`, centralId: id },
  old: { ...old, updated_at: iso(atMs - 60_000) },
  new: { ...next, updated_at: iso(atMs) },
  atMs,
});
