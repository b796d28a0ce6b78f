import type { StreamReach } from '../settlement.ts';
import type { AppTriggers } from './app-triggers.ts';

/** What one transaction knows and gathers. */
export interface Scope {
  readonly nowMs: number;
  readonly triggers: AppTriggers;
  readonly store: () => StreamReach;
  /** Local tables whose rows changed. */
  readonly touched: Set<string>;
  /** `parentKey` of rows that came, were linked, or close a circle: those that wait for them are tried again. */
  readonly wakes: string[];
  /** Images of rows that close a circle in which they can't be first: each asks the others once. */
  readonly asked: Set<string>;
  /** Local tables that have to be looked through before anything is written to them. */
  readonly unswept: Set<string>;
  /** `parentKey` of rows that the app has written and that could not be cut. */
  readonly uncut: Set<string>;
}

/** Those that wait in the circle of this row are tried again, once for each image of it. */
export function askCircle(
  { asked, wakes }: Pick<Scope, 'asked' | 'wakes'>,
  us: string,
  { position }: { readonly position: Buffer },
  circle: readonly string[],
): void {
  const image = `${us} ${position.toString('hex')}`;
  if (circle.length === 0 || asked.has(image)) return;
  asked.add(image);
  wakes.push(us, ...circle);
}
