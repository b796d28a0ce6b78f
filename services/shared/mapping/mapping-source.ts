/** The mapping as text: where something stands in it, and how a mistake in it is told. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { PayflowError } from '../errors.ts';

/** Keys and indexes from the root to a value. */
export type SourcePath = readonly (string | number)[];

export interface MappingProblem {
  readonly line: number;
  /** What is wrong. */
  readonly message: string;
  /** What would be right. */
  readonly remedy: string;
}

/** A parsed YAML text that knows the line of each of its values. */
export class MappingSource {
  /** Syntax mistakes; with any of them `value` is not to be used. */
  readonly problems: readonly MappingProblem[];
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, merge: true });
    this.problems = this.#document.errors.map((error) => ({
      line: this.#lines.linePos(error.pos[0]).line,
      ...(error.code === 'DUPLICATE_KEY'
        ? { message: `"${text.slice(...error.pos)}…" stands here twice`, remedy: 'keep one of them' }
        : { message: `not valid YAML: ${error.message}`, remedy: 'correct indentation, brackets or quotes' }),
    }));
  }

  /** Plain data, as zod wants it. @throws when aliases expand without bound. */
  value(): unknown {
    return this.#document.toJS() as unknown;
  }

  /** Line of the key at the end of `path`; of its nearest ancestor where the path does not exist. */
  lineOf(path: SourcePath): number {
    let node: unknown = this.#document.contents;
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    for (const step of path) {
      const found = this.#child(node, step);
      if (found === null) break;
      offset = found.offset ?? offset;
      node = found.value;
    }
    return this.#lines.linePos(offset).line;
  }

  #child(parent: unknown, step: string | number): { value: unknown; offset: number | undefined } | null {
    const node = isAlias(parent) ? parent.resolve(this.#document) : parent;
    if (isSeq(node) && typeof step === 'number') {
      const item = node.items[step];
      return isNode(item) ? { value: item, offset: item.range?.[0] } : null;
    }
    if (!isMap(node)) return null;
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
    if (pair === undefined) return null;
    return { value: pair.value, offset: isScalar(pair.key) ? pair.key.range?.[0] : undefined };
  }
}

function isNode(value: unknown): value is Node {
  return value !== null && typeof value === 'object' && 'range' in value;
}

export function problemLine(problem: MappingProblem): string {
  const end = problem.remedy.endsWith('?') ? '' : '.';
  return `line ${problem.line}: ${problem.message}; ${problem.remedy}${end}`;
}

/** @throws PayflowError MAPPING_INVALID naming every problem, in the order of the file, if there is any. */
export function failOnProblems(problems: readonly MappingProblem[]): void {
  if (problems.length === 0) return;
  const sorted = [...problems].sort((a, b) => a.line - b.line);
  throw new PayflowError('MAPPING_INVALID', sorted.map(problemLine).join('\n'), {
    details: {
      problems: sorted.map(({ line, message, remedy }) => ({ line, message, remedy })),
    },
  });
}

/**
 * `did you mean "x"?` for a name that is nearly one of the candidates, else the fallback.
 * Near: at most a third of its letters differ, or only case.
 */
export function suggestion(wrong: string, candidates: Iterable<string>, fallback: string): string {
  let best: { name: string; distance: number } | null = null;
  for (const name of candidates) {
    const distance = editDistance(wrong.toLowerCase(), name.toLowerCase());
    if (distance <= Math.max(1, Math.floor(wrong.length / 3)) && distance < (best?.distance ?? Infinity))
      best = { name, distance };
  }
  return best === null ? fallback : `did you mean "${best.name}"?`;
}

/** Insertions, deletions, substitutions and swaps of neighbours between two names. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        best = Math.min(best, (beforeLast[column - 2] ?? 0) + 1);
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}
