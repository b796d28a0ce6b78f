/** How long room lasts. Pure. */
const MANY_DAYS = 365;

/** @returns undefined where no growth is known, or none was seen */
export function daysLeft(freeBytes: number, bytesPerDay: number | null): number | undefined {
  return bytesPerDay === null || bytesPerDay <= 0 ? undefined : freeBytes / bytesPerDay;
}

/** @returns null where nothing can be said */
export function daysText(freeBytes: number, bytesPerDay: number | null): string | null {
  const days = daysLeft(freeBytes, bytesPerDay);
  if (days === undefined) return null;
  if (days > MANY_DAYS) return 'more than a year';
  return days < 1 ? 'less than a day' : `${Math.floor(days)} days`;
}
