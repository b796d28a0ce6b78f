/**
 * What is said of an error code: its meaning, whether waiting helps, and what to do.
 *
 * `retry`: `timed`  the cause goes away by itself (an outage): back off and try again, unready meanwhile
 *          `manual` a person must change something, the process may stay up
 *          `fatal`  the process cannot do its work at all: say so and exit (2 when it is configuration)
 */
export type Retry = 'timed' | 'manual' | 'fatal';

export interface CodeEntry {
  readonly meaning: string;
  readonly retry: Retry;
  readonly remedy: string;
  /** HTTP status the gateway answers with. */
  readonly http: number;
}

export const entry = (http: number, retry: Retry, meaning: string, remedy: string): CodeEntry => ({
  http,
  retry,
  meaning,
  remedy,
});
