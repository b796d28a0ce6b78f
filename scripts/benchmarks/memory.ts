import { readFileSync } from 'node:fs';
import type { Site } from '../support/site.ts';
import type { Figure } from './figures.ts';

/** What a service may hold, whatever the backlog. */
const MOST_MB = 250;

/** The most memory that processes held since they began, as the kernel counts it; Linux only (reads /proc). */
export class MemoryWatch {
  readonly #site: Pick<Site, 'pid'>;
  readonly #processes: Readonly<Record<string, string>>;
  readonly #peaks = new Map<string, number>();
  readonly #mostMb: number;
  readonly #timer: NodeJS.Timeout;

  /** @param processes as the site calls them, by the name of the figure */
  constructor(site: Pick<Site, 'pid'>, processes: Readonly<Record<string, string>>, mostMb = MOST_MB) {
    this.#site = site;
    this.#processes = processes;
    this.#mostMb = mostMb;
    this.#timer = setInterval(() => this.#sample(), 250);
  }

  /** @returns the peak of each */
  stop(): Figure[] {
    clearInterval(this.#timer);
    this.#sample();
    return [...this.#peaks].map(([name, value]) => ({
      name: `${name}, peak memory`,
      value,
      unit: 'MB',
      most: this.#mostMb,
    }));
  }

  #sample(): void {
    for (const [name, process] of Object.entries(this.#processes)) {
      const pid = this.#site.pid(process);
      const megabytes = pid === undefined ? 0 : peakMegabytes(pid);
      this.#peaks.set(name, Math.max(this.#peaks.get(name) ?? 0, megabytes));
    }
  }
}

function peakMegabytes(pid: number): number {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return match === null ? 0 : Number(match[1]) / 1024;
  } catch (error) {
    // The process ended between two samples.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
