/** In which time zone a till writes its wall clock, by rows whose instant the centre knows. Pure. */
import type { ValuePair } from './value-forms.ts';
import { localToUtcMs } from '../values/time-zone.ts';
import { parseTimestamp } from '../values/timestamps.ts';

/** Clocks of two sides that write the same sale differ by less than this. */
const CLOSE_MS = 60_000;
const PAIRS = 40;
const MOST = 0.9;
/** Of zones that agree with all rows those that people know come first. */
const PREFERRED: readonly string[] = [
  'Europe/Berlin',
  'Europe/London',
  'Europe/Athens',
  'America/New_York',
  'America/Chicago',
  'America/Denver',
  'America/Los_Angeles',
];

/** @returns zones in which most of the till's wall clocks are the centre's instants; none where UTC fits already */
export function fittingZones(pairs: readonly ValuePair[]): string[] {
  const clocks = wallClocks(pairs);
  const shifted = clocks.filter(({ wallMs, utcMs }) => Math.abs(wallMs - utcMs) > CLOSE_MS);
  if (shifted.length < MOST * clocks.length || clocks.length === 0) return [];
  const fits = (zone: string) =>
    clocks.filter(({ wallMs, utcMs }) => Math.abs(localToUtcMs(wallMs, zone) - utcMs) <= CLOSE_MS).length >=
    MOST * clocks.length;
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zones = [...new Set([own, ...PREFERRED, ...Intl.supportedValuesOf('timeZone')])];
  const found = zones.filter((zone) => zone !== 'UTC').find(fits);
  return found === undefined ? [] : [found];
}

function wallClocks(pairs: readonly ValuePair[]): { wallMs: number; utcMs: number }[] {
  const clocks = pairs.flatMap(({ local, central }) => {
    const isWallClock = typeof local === 'string' && /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d[\d:.]*$/.test(local);
    const [wall, utc] =
      isWallClock && central !== null ? [parseTimestamp(local), parseTimestamp(central)] : [];
    return wall == null || utc == null ? [] : [{ wallMs: Number(wall) / 1000, utcMs: Number(utc) / 1000 }];
  });
  const step = Math.max(1, Math.floor(clocks.length / PAIRS));
  return clocks.filter((_, at) => at % step === 0);
}
