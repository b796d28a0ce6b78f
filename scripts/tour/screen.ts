/** What the demo prints: short lines, a number before each step, arrows for the direction; colours on a terminal. */

export interface ScreenOptions {
  readonly out: (text: string) => void;
  readonly colours: boolean;
}

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
type Colour = keyof typeof CODES;

export class Screen {
  readonly #options: ScreenOptions;
  #steps = 0;

  constructor(options: ScreenOptions) {
    this.#options = options;
  }

  line(text = ''): void {
    this.#options.out(`${text}\n`);
  }

  /** Begins the next step of the tour. */
  step(title: string): void {
    this.#steps += 1;
    this.line();
    this.line(this.#paint('bold', `${this.#steps}  ${title}`));
  }

  heading(title: string): void {
    this.line();
    this.line(this.#paint('bold', title));
  }

  note(text: string): void {
    this.line(`   ${this.#paint('dim', text)}`);
  }

  /** Till to centre. */
  up(text: string): void {
    this.line(`   ${this.#paint('cyan', '↑')} ${text}`);
  }

  /** Centre to till. */
  down(text: string): void {
    this.line(`   ${this.#paint('yellow', '↓')} ${text}`);
  }

  plain(text: string): void {
    this.line(`     ${text}`);
  }

  good(text: string): void {
    this.line(`   ${this.#paint('green', '✓')} ${text}`);
  }

  bad(text: string): void {
    this.line(`   ${this.#paint('red', '✗')} ${text}`);
  }

  /** Numbers to the right, the first column to the left. */
  table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
    const widths = head.map((title, column) =>
      Math.max(title.length, ...rows.map((row) => String(row[column] ?? '').length)),
    );
    const laid = (cells: readonly (string | number)[]) =>
      cells
        .map((cell, column) => {
          const text = String(cell);
          const width = widths[column] ?? text.length;
          return column === 0 ? text.padEnd(width) : text.padStart(width);
        })
        .join('  ');
    this.plain(this.#paint('dim', laid(head)));
    for (const row of rows) this.plain(laid(row));
  }

  #paint(colour: Colour, text: string): string {
    return this.#options.colours ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
  }
}

/** 4.2 ms, 38 ms, 1.32 s. */
export function msText(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

export function eurosText(cents: number): string {
  return `${(cents / 100).toFixed(2)} EUR`;
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
