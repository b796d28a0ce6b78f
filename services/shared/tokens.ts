/** Access tokens and enrolment codes: random, shown once, kept as SHA-256 only. */
import { createHash, randomBytes } from 'node:crypto';

/** How long an enrolment code is good. */
export const ENROLMENT_HOURS = 24;

/** 32 random bytes; the prefix lets a secret scanner, and a person, see what it is. */
export function newToken(kind: 'user' | 'till'): string {
  return `${kind === 'user' ? 'pfu' : 'pft'}_${randomBytes(32).toString('base64url')}`;
}

/** Whether it has the form of one that `newToken` makes. */
export function isToken(text: string): boolean {
  return /^pf[ut]_[\w-]{43}$/.test(text);
}

/** 16 letters and digits in groups of four, without those that are easily confused when read aloud: 80 bits. */
export function newEnrolmentCode(): string {
  const alphabet = 'ABCDEFGHJKMNPQRSTVWXYZ0123456789';
  const code = [...randomBytes(16)].map((byte) => alphabet.charAt(byte % alphabet.length)).join('');
  return code.replace(/(.{4})(?=.)/g, '$1-');
}

/** SHA-256 in hex. Enough for secrets of this entropy; a slow hash is for passwords people choose. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** The code as it was printed, however it was typed. */
export function normalizeEnrolmentCode(code: string): string {
  return code.trim().toUpperCase();
}
