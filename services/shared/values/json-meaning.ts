/** Digits and points for which a double is too short, and powers that it may not reach. */
const ROUNDED = /\d[\d.]{15}|[eE][+-]?\d{3}/;

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

function mayBeRounded(json: string): boolean {
  return ROUNDED.test(json) && ROUNDED.test(withoutStrings(json));
}

/** Step by step: an expression for a string of megabytes runs out of stack. */
function withoutStrings(json: string): string {
  let left = '';
  for (let at = 0; at < json.length;) {
    const quote = json.indexOf('"', at);
    if (quote < 0) return left + json.slice(at);
    left += json.slice(at, quote);
    at = afterString(json, quote + 1);
  }
  return left;
}

function afterString(json: string, from: number): number {
  for (let at = from; ;) {
    const quote = json.indexOf('"', at);
    if (quote < 0) return json.length;
    let before = quote;
    while (json[before - 1] === '\\') before -= 1;
    if ((quote - before) % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}
