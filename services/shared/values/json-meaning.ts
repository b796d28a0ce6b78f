const STRINGS = /"(?:[^"\\]|\\.)*"/g;
/** Digits and points for which a double is too short, and powers. */
const ROUNDED = /\d[\d.]{15}|\d[eE]/;

function mayBeRounded(json: string): boolean {
  return ROUNDED.test(json) && ROUNDED.test(json.replace(STRINGS, ''));
}

/** Whether two JSON texts say the same: the order of names and the blanks between them mean nothing. */
export function sameJson(a: string, b: string): boolean {
  // Numbers that JavaScript would round might look alike without being so.
  if (mayBeRounded(a) || mayBeRounded(b)) return false;
  try {
    return canonicalJson(JSON.parse(a)) === canonicalJson(JSON.parse(b));
  } catch (error) {
    if (error instanceof SyntaxError) return false; // Not JSON: the statement will say so.
    if (error instanceof RangeError) return false; // Nested deeper than a comparison can go.
    throw error;
  }
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
