/** Stored changes for people: one line for each column, before and after. */
import type { ShownChange, ShownValue } from '../gateway/shown-changes.ts';
import type { Output } from './terminal-output.ts';

export function showChanges(output: Output, changes: readonly ShownChange[]): void {
  for (const change of changes) {
    const { seq, table, op, at, identity, centralId } = change;
    output.line();
    output.line(`seq ${seq}  ${op} ${table} ${identity || `(centre: ${centralId})`}  at ${at}`);
    output.table(
      ['column', 'before', 'after', 'refers to'],
      change.columns.map(({ column, before, after }) => {
        const reference = change.references.find((each) => each.column === column);
        return [column, valueText(before), valueText(after), reference?.identity];
      }),
    );
  }
}

/** undefined: not shown to this token. */
function valueText(value: ShownValue | undefined): string | null {
  if (value === undefined) return '?';
  if (value === null) return null;
  return typeof value === 'object' ? `x'${value.hex}'` : String(value);
}

/** One line for each fact that is there. */
export function showFacts(output: Output, facts: readonly (readonly [name: string, value: unknown])[]): void {
  const width = Math.max(...facts.map(([name]) => name.length));
  for (const [name, value] of facts) {
    if (value === null || value === undefined) continue;
    output.line(`${name.padEnd(width)}  ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  }
}
