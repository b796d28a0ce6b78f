/** Random choices from one seed, so that a failing run can be made again. */
import { seededRandom } from '../../support/random.ts';

export class Dice {
  readonly #random: () => number;
  #count = 0;
  readonly #prefix: string;

  constructor(seed: number, prefix: string) {
    this.#random = seededRandom(seed);
    this.#prefix = prefix;
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  one<T>(from: readonly T[]): T {
    const found = from[this.below(from.length)];
    if (found === undefined && from.length === 0) throw new Error('nothing to choose from');
    return found as T;
  }

  some<T>(from: readonly T[], atMost: number): T[] {
    const rest = [...from];
    const chosen: T[] = [];
    for (let left = 1 + this.below(atMost); left > 0 && rest.length > 0; left -= 1)
      chosen.push(...rest.splice(this.below(rest.length), 1));
    return chosen;
  }

  /** A name that nobody else gives. */
  tag(): string {
    this.#count += 1;
    return `${this.#prefix}-${this.#count}`;
  }

  uuid(): string {
    const digits = Array.from({ length: 32 }, () => this.below(16).toString(16)).join('');
    return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`;
  }
}
