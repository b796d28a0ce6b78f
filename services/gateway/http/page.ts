/** Lists in pages. A cursor names the last item of the page before, so that nothing is skipped or doubled. */
import { z } from 'zod';
import { PayflowError } from '../../shared/errors.ts';

export const pageSchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(200).optional(),
});
export type PageQuery = z.output<typeof pageSchema>;

export function encodeCursor(last: string): string {
  return Buffer.from(last, 'utf8').toString('base64url');
}

const ID = /^[A-Za-z0-9._-]{1,150}$/;
const NUMBER = /^\d{1,18}$/;

/** A cursor over ids that are names. @throws PayflowError VALIDATION for what `encodeCursor` never made of one */
export function decodeCursor(cursor: string | undefined): string | undefined {
  return decode(cursor, ID);
}

/** A cursor over numeric ids. @throws PayflowError VALIDATION */
export function decodeNumberCursor(cursor: string | undefined): string | undefined {
  return decode(cursor, NUMBER);
}

function decode(cursor: string | undefined, form: RegExp): string | undefined {
  if (cursor === undefined) return undefined;
  const last = Buffer.from(cursor, 'base64url').toString('utf8');
  if (encodeCursor(last) === cursor && form.test(last)) return last;
  throw badCursor();
}

function badCursor(): PayflowError {
  return new PayflowError('VALIDATION', 'cursor is not one that was given out', {
    details: { field: 'cursor' },
  });
}

/** @param found up to one more than `limit`: the extra one only says that there is a next page */
export function nextPage<T>(
  found: readonly T[],
  limit: number,
  idOf: (item: T) => string,
): { items: readonly T[]; nextCursor: string | null } {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: found.length > limit && last !== undefined ? encodeCursor(idOf(last)) : null };
}
