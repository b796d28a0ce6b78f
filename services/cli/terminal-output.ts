/** What commands write: text and tables for people, one JSON document with --json, nothing else on stdout. */
import Table from 'cli-table3';

export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** stdout is a terminal: bars and redrawing are welcome. */
  readonly interactive: boolean;
}

export class Output {
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  get interactive(): boolean {
    return this.#streams.interactive;
  }

  line(text = ''): void {
    this.#streams.out(`${text}\n`);
  }

  /** Beside the answer (progress, advice): on stderr, so that stdout stays clean for programs. */
  note(text: string): void {
    this.#streams.err(`${text}\n`);
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2));
  }

  /** `when` is written instead of a table without rows. */
  table(head: readonly string[], rows: readonly (readonly Cell[])[], when = 'none'): void {
    if (rows.length === 0) return this.line(when);
    const table = new Table({
      head: [...head],
      chars: PLAIN,
      style: { head: [], border: [], 'padding-left': 0 },
    });
    table.push(...rows.map((row) => row.map(cellText)));
    this.line(
      table
        .toString()
        .split('\n')
        .map((line) => line.trimEnd())
        .join('\n'),
    );
  }

  /** Clears the terminal before the next look of a --watch. */
  clear(): void {
    if (this.#streams.interactive) this.#streams.out('\u001b[2J\u001b[H');
  }
}

export type Cell = string | number | boolean | null | undefined;

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return '–';
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no';
  return String(cell);
}

/** Columns by two spaces: lines can be cut and searched with the usual tools. */
const PLAIN = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((name) => [name, name === 'middle' ? ' ' : '']),
);

/** 950 ms, 12.3 s, 4 min, 3.1 h, 2 d. */
export function durationText(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${(ms / 3_600_000).toFixed(1)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

export function bytesText(bytes: number | null): string {
  if (bytes === null) return '–';
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}
