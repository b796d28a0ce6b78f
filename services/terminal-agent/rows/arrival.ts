/** A central row on its way into the till, and what became of it. */
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { imageValue, type Image } from './image.ts';
import type { TillTable } from './till-tables.ts';

export interface Arrival {
  readonly table: TillTable;
  readonly centralId: string;
  /** Encoded. */
  readonly position: Buffer;
  /** null: the centre deleted the row. */
  readonly image: Image | null;
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
