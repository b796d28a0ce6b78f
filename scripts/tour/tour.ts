/** The tour: what each step is given, and their order. */
import type { DemoSite } from './demo-site.ts';
import type { Screen } from './screen.ts';
import { msText } from './screen.ts';
import { median, percentile } from '../benchmarks/figures.ts';

export interface Tour {
  readonly site: DemoSite;
  readonly screen: Screen;
}

/** `4.1 ms (median), 9.8 ms (p99) of 80` */
export function spread(samplesMs: readonly number[]): string {
  const p99 = percentile(samplesMs, 0.99);
  return `${msText(median(samplesMs))} (median), ${msText(p99)} (p99) of ${samplesMs.length}`;
}
