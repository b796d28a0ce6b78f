/**
 * The text of a char(n) without what PostgreSQL pads it with: blanks at its end, and nothing else. Counted from the
 * end, not matched: an expression that may begin in several places takes the square of a run of blanks.
 */
export function withoutPadding(text: string): string {
  let end = text.length;
  while (end > 0 && text.charAt(end - 1) === ' ') end -= 1;
  return text.slice(0, end);
}
