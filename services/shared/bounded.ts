/**
 * What another machine says of itself, cut to a sane size before it is parsed, kept or shown: a till's token may
 * be in the wrong hands, and its status is repeated to everybody who watches.
 */
export interface Bounds {
  readonly textLength: number;
  /** Of a list, or names in an object. */
  readonly items: number;
  readonly depth: number;
}

export const STATUS_BOUNDS: Bounds = { textLength: 500, items: 2_000, depth: 8 };
/** A local catalog: hundreds of tables, with the text of their checks and defaults. */
export const CATALOG_BOUNDS: Bounds = { textLength: 20_000, items: 5_000, depth: 10 };

/** The same data without what is beyond the bounds, and without control characters in its texts. */
export function bounded(value: unknown, bounds: Bounds, depth = 0): unknown {
  if (typeof value === 'string') return boundedText(value, bounds.textLength);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= bounds.depth) return null;
  if (Array.isArray(value)) {
    return value.slice(0, bounds.items).map((item) => bounded(item, bounds, depth + 1));
  }
  // What is no plain data (a Buffer of a binary packet) is nothing that a till has to say.
  if (Object.getPrototypeOf(value) !== Object.prototype) return null;
  const entries = Object.entries(value).slice(0, bounds.items);
  return Object.fromEntries(
    entries.map(([name, item]) => [boundedText(name, bounds.textLength), bounded(item, bounds, depth + 1)]),
  );
}

export function boundedText(text: string, length: number): string {
  const cut = text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, '')}…`;
  // Escape sequences would reach the terminals of those who watch.
  return cut.replace(/\p{Cc}/gu, ' ');
}
