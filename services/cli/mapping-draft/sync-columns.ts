/** Columns that an app or an earlier sync keeps for itself. Pure. */
import { STATUS_COLUMNS } from '../../shared/mapping/mapping.ts';
import { isSpeltAlike, wordsOf } from './name-likeness.ts';

const SYNC_WORDS: readonly string[] = ['sync', 'synced', 'synchronized', 'synchronised', 'dirty'];
const ELSEWHERE: readonly string[] = ['server', 'remote', 'central', 'cloud', 'backend'];
const HERE: readonly string[] = ['local', 'offline', 'row'];
/** Of these, `client_id` is more often who bought. */
const HERE_OR_BUYER: readonly string[] = ['client', 'device'];

/** Says how far a row is synced: nobody else's affair. */
export function isSyncState(name: string): boolean {
  return (
    (STATUS_COLUMNS as readonly string[]).includes(name) ||
    wordsOf(name).some((word) => SYNC_WORDS.includes(word))
  );
}

/** May show the central id: `server_id`, `remoteId`. */
export function isLinkName(name: string): boolean {
  const [first = '', second, ...others] = wordsOf(name);
  return others.length === 0 && ELSEWHERE.includes(first) && (second === 'id' || second === 'key');
}

/** May hold a name of the row that no other row bears: `local_id`, `uuid`. */
export function isIdentityName(name: string): boolean {
  const [first = '', second, ...others] = wordsOf(name);
  if (others.length > 0) return false;
  if (['uuid', 'guid'].includes(first)) return second === undefined || second === 'id';
  const isName = ['uuid', 'guid'].includes(second ?? '');
  return HERE.includes(first) ? isName || second === 'id' : HERE_OR_BUYER.includes(first) && isName;
}

export function isBookkeeping(name: string): boolean {
  return isSyncState(name) || isLinkName(name) || isIdentityName(name) || isSpeltAlike(name, 'terminal_id');
}
