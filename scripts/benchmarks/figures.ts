/** How figures are taken, held against their ceilings, and printed. */
import { cpus, totalmem } from 'node:os';
import Table from 'cli-table3';

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 'rows/s' | 'ms' | 'MB' | 'KB' | '%';
  /** Ratio to a ceiling measured in the same run. */
  readonly ratio?: {
    readonly of: string;
    readonly value: number;
    readonly floor?: number;
    readonly most?: number;
  };
  /** A bound that is no ratio. */
  readonly most?: number;
}

/** @param share 0 … 1 @returns the value below which that share of the samples lies (nearest rank) */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** Runs `work` and gives items per second. */
export async function rate(items: number, work: () => Promise<void> | void): Promise<number> {
  const started = performance.now();
  await work();
  return (items * 1000) / (performance.now() - started);
}

export function ratioOf(
  of: string,
  value: number,
  ceiling: number,
  bound: { floor?: number; most?: number },
): Figure['ratio'] & object {
  return { of, value: value / ceiling, ...bound };
}

/** Prints the table for people, then one line of JSON with machine and settings. */
export function printFigures(
  title: string,
  figures: readonly Figure[],
  settings: Record<string, unknown>,
): void {
  const table = new Table({ head: [title, 'measured', 'ratio', 'wanted', ''] });
  for (const figure of figures) {
    table.push([
      figure.name,
      shown(figure),
      figure.ratio === undefined ? '' : `${figure.ratio.value.toFixed(2)} ${figure.ratio.of}`,
      wanted(figure),
      reached(figure),
    ]);
  }
  console.log(table.toString());
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  console.log(JSON.stringify({ bench: title, machine, settings, figures }));
}

function shown({ value, unit }: Figure): string {
  const digits = { ms: 2, KB: 2, '%': 2, MB: 0, 'rows/s': 0 }[unit];
  return `${value.toLocaleString('en', { maximumFractionDigits: digits })} ${unit}`;
}

function wanted({ ratio, most, unit }: Figure): string {
  if (ratio?.floor !== undefined) return `≥ ${ratio.floor} ${ratio.of}`;
  if (ratio?.most !== undefined) return `≤ ${ratio.most} ${ratio.of}`;
  return most === undefined ? '' : `≤ ${most} ${unit}`;
}

function reached({ ratio, most, value }: Figure): string {
  if (ratio?.floor !== undefined) return ratio.value >= ratio.floor ? 'reached' : 'not reached';
  if (ratio?.most !== undefined) return ratio.value <= ratio.most ? 'reached' : 'not reached';
  if (most === undefined) return '';
  return value <= most ? 'reached' : 'not reached';
}
