/** A central row on its way into the till, and what became of it. */
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import { decodeImage, encodeImage, imageValue, type Image } from './image.ts';
import type { TillTable } from './till-tables.ts';

export interface Arrival {
  readonly table: TillTable;
  readonly centralId: string;
  /** Encoded. */
  readonly position: Buffer;
  /** null: the row is in its stream no more. */
  readonly image: Image | null;
  /** Then: when the centre deleted it, where that is known (ms since 1970), and tills may keep what is deleted. */
  readonly deletedAtMs?: number | undefined;
  readonly topic: string;
  readonly fromCatalog: boolean;
  /** It answers a change of this till, or is known not to be one of its own unlinked rows. */
  readonly known: boolean;
  /** The local key to give the row if it is inserted. */
  readonly key?: SqliteValue | undefined;
}

export type Applied = 'applied' | 'older' | 'parked';

/** When the row was changed last, as it says itself. */
export function timestampOf({ table, image }: Arrival): string | null {
  const { timestampColumn } = table.bound;
  const value = timestampColumn === null || image === null ? null : imageValue(image, timestampColumn);
  return value === undefined || value === null ? null : String(value);
}

const DELETED = 'deleted ';

/** For `sync_parked.record`: the image, or what is known of the row's end. */
export function parkedText({ image, deletedAtMs }: Pick<Arrival, 'image' | 'deletedAtMs'>): string {
  return image === null && deletedAtMs !== undefined ? `${DELETED}${deletedAtMs}` : encodeImage(image);
}

export function fromParked(table: BoundTable, text: string): Pick<Arrival, 'image' | 'deletedAtMs'> {
  if (!text.startsWith(DELETED)) return { image: decodeImage(table, text) };
  return { image: null, deletedAtMs: Number(text.slice(DELETED.length)) };
}
