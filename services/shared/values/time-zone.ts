/** Wall clocks by IANA zone, from the time zone data that Node brings. */

/** Making a formatter costs far more than using it; what it answers depends on the zone alone. */
const formatters = new Map<string, Intl.DateTimeFormat>();
const DAY_MS = 86_400_000;

/** @returns the wall clock as if it were UTC. */
export function utcToLocalMs(utcMs: number, zone: string): number {
  return Number.isFinite(utcMs) ? utcMs + zoneOffsetMs(utcMs, zone) : Number.NaN;
}

/**
 * The instant at which the zone's clocks show this. Of an hour that comes twice the first one is meant, of an
 * hour that is skipped the time that would have been without the change.
 */
export function localToUtcMs(wallMs: number, zone: string): number {
  const before = zoneOffsetMs(wallMs - DAY_MS, zone);
  const after = zoneOffsetMs(wallMs + DAY_MS, zone);
  const candidates = [wallMs - before, wallMs - after].sort((a, b) => a - b);
  return candidates.find((utcMs) => utcMs + zoneOffsetMs(utcMs, zone) === wallMs) ?? wallMs - before;
}

function zoneOffsetMs(utcMs: number, zone: string): number {
  const wholeSecondMs = Math.floor(utcMs / 1000) * 1000;
  const parts = new Map(
    formatterOf(zone)
      .formatToParts(wholeSecondMs)
      .map(({ type, value }) => [type, value]),
  );
  const field = (type: Intl.DateTimeFormatPartTypes) => Number(parts.get(type));
  const year = parts.get('era') === 'B' ? 1 - field('year') : field('year');
  const wall = new Date(
    Date.UTC(2000, field('month') - 1, field('day'), field('hour'), field('minute'), field('second')),
  );
  wall.setUTCFullYear(year, field('month') - 1, field('day'));
  return wall.getTime() - wholeSecondMs;
}

function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone);
  if (known !== undefined) return known;
  const formatter = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    era: 'narrow',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formatters.set(zone, formatter);
  return formatter;
}
