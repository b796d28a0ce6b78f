/**
 * The public key that a till enrols with. What is not exactly that is refused: a private key (it would have left
 * its till), and a point of small order, under which anybody can make signatures that verify.
 */
import { createPublicKey } from 'node:crypto';
import { PayflowError } from '../shared/errors.ts';

const PEM = /^\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----\s*$/;
/** What stands before the 32 bytes of the key itself in SPKI. */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

const FIELD = 2n ** 255n - 19n;
const SIGN_BIT = 2n ** 255n;
/** The y of the eight points whose order divides 8; the last two of them have order 8. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  FIELD - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]);

/** @returns the key in one canonical form, so that a repeated request compares equal @throws PayflowError VALIDATION */
export function requirePublicKey(pem: string): string {
  const body = PEM.exec(pem)?.[1];
  if (body === undefined) throw refuse('must be an Ed25519 public key in PEM (BEGIN PUBLIC KEY)');
  const der = Buffer.from(body, 'base64');
  const isEd25519 =
    der.length === SPKI_HEAD.length + 32 && der.subarray(0, SPKI_HEAD.length).equals(SPKI_HEAD);
  if (!isEd25519) throw refuse('must be an Ed25519 public key in PEM');
  if (isWeak(der.subarray(SPKI_HEAD.length))) throw refuse('is a point of small order: no key at all');
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
      .export({ type: 'spki', format: 'pem' })
      .toString();
  } catch (cause) {
    throw refuse('must be an Ed25519 public key in PEM', cause);
  }
}

/** Small order, or a y that is not reduced: another spelling of a point, which is how a small one could hide. */
function isWeak(bytes: Buffer): boolean {
  const y = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`) % SIGN_BIT;
  return y >= FIELD || SMALL_ORDER_Y.has(y);
}

function refuse(problem: string, cause?: unknown): PayflowError {
  return new PayflowError('VALIDATION', `publicKey ${problem}`, { cause, details: { field: 'publicKey' } });
}
