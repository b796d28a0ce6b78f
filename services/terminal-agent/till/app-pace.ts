/**
 * When a transaction of ours is in nobody's way. An app that waits for no lock (`busy_timeout` 0), or that reads and then
 * writes in one deferred transaction, fails when it meets one of ours. We know when it commits, and nothing else: from
 * how long its last pauses were it is told when it will hardly come. Pure.
 *
 *   the app                                             | a transaction of ours
 *   ----------------------------------------------------+--------------------------------------------------------------
 *   has not written for two seconds                     | goes, of any length
 *   has committed just now                              | goes, where it ends within half of the shortest of its last
 *                                                       |   fifty pauses
 *   may come at any moment                              | goes where it takes no more than its share, one moment in 250,
 *                                                       |   wherever that falls: right behind a commit may be in
 *                                                       |   the midst of a sale of several
 *
 * Of its silence only those moments count in which nothing of ours held the file: an app whose sales fail is silent, too,
 * and would be taken for one that rests.
 */

/** So many pauses are known. */
const PAUSES = 50;
/** Whatever it did before. */
export const QUIET_MS = 2_000;
/** What is longer says nothing of the app's rhythm, and would be forgotten late. */
const LONGEST_PAUSE_MS = 2 * QUIET_MS;
/** Of its pauses, that may be shorter the next time. */
const SHORTER = 2;
/** One moment in so many, where the app may come at any: below the one sale in two hundred that may fail, for chance. */
const SHARE = 250;
/**
 * A sale that reads before it writes fails also where ours began and ended between the two: each transaction of ours counts as
 * so much longer.
 */
const READ_TO_WRITE_MS = 3;
/** What of our share is not used is kept up to so much: an answer to a sale is two or three small transactions. */
const MOST_SAVED_MS = 30;
/** Two of ours that take of the share. */
const APART_MS = 250;
/** Commits of the app are looked for so often. */
const LOOK_MS = 3;
/** A transaction that takes of the share, unless the centre's is longer; and any other while the app sells. */
const SMALL_MS = 5;
const LARGE_MS = 25;

/** What is known of the app and of us at a moment. */
export interface AppPace {
  /** From one commit of the app to the next. */
  readonly pausesMs: readonly number[];
  readonly sinceAppMs: number;
  /** Of that time, when nothing of ours held the file. */
  readonly silentMs: number;
  /** Since our last commit. */
  readonly sinceOursMs: number;
  /** Of our share; below 0: it is used up. */
  readonly savedMs: number;
}

/** May begin now, and hold the file so long; or is to be asked again later. */
export type Turn =
  { readonly kind: 'go'; readonly forMs: number } | { readonly kind: 'wait'; readonly ms: number };

/** @param holdMs how long the next transaction takes at least */
export function turnOf(pace: AppPace, holdMs: number): Turn {
  const { silentMs, sinceOursMs, savedMs } = pace;
  if (silentMs > QUIET_MS) return { kind: 'go', forMs: Infinity };
  const roomMs = roomBefore(pace);
  if (holdMs <= roomMs) return { kind: 'go', forMs: Math.min(roomMs, LARGE_MS) };
  if (sinceOursMs < APART_MS || savedMs < 0) return { kind: 'wait', ms: LOOK_MS };
  return { kind: 'go', forMs: SMALL_MS };
}

/** How long nobody will come, as far as the last pauses tell; Infinity: none is known. */
export function roomBefore({ pausesMs, sinceAppMs }: Pick<AppPace, 'pausesMs' | 'sinceAppMs'>): number {
  return Math.max(0, Math.min(...pausesMs) / SHORTER - sinceAppMs);
}

/** One more pause. */
export function withPause(pausesMs: readonly number[], pauseMs: number): readonly number[] {
  return [...pausesMs, Math.min(pauseMs, LONGEST_PAUSE_MS)].slice(-PAUSES);
}

/** What is saved of the share after a while in which nothing took of it. */
export function saved(savedMs: number, sinceMs: number): number {
  return Math.min(MOST_SAVED_MS, savedMs + sinceMs / SHARE);
}

/** And after a transaction that did. */
export function spent(savedMs: number, heldMs: number): number {
  return savedMs - heldMs - READ_TO_WRITE_MS;
}
