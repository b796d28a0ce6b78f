/** Names in PostgreSQL that derive from TOPIC_PREFIX, so that several prefixes can share one server. */
import { createHash } from 'node:crypto';

/** PostgreSQL cuts longer names off silently. */
const NAME_BYTES = 63;
const HASH_DIGITS = 8;

export function publicationName(prefix: string): string {
  return derived(prefix, '_pub');
}

/** Slot names are unique in the whole server, not only in the database. */
export function slotName(prefix: string): string {
  return derived(prefix, '_slot');
}

/** Only a-z, 0-9 and _ are allowed; a prefix that had to be changed gets a piece of its hash, to stay unique. */
function derived(prefix: string, suffix: string): string {
  const plain = prefix.toLowerCase().replace(/[^a-z0-9_]/g, '_');
  if (plain === prefix && plain.length + suffix.length <= NAME_BYTES) return plain + suffix;
  const hash = createHash('sha256').update(prefix).digest('hex').slice(0, HASH_DIGITS);
  return `${plain.slice(0, NAME_BYTES - suffix.length - HASH_DIGITS - 1)}_${hash}${suffix}`;
}
