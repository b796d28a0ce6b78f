/** Ed25519 over the exact bytes of a record. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { PayflowError } from '../errors.ts';

export interface KeyPairPem {
  /** PKCS #8. */
  readonly privateKey: string;
  /** SPKI. */
  readonly publicKey: string;
}

export function makeKeyPair(): KeyPairPem {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return { privateKey, publicKey };
}

/** The public half, as it is registered at the centre. */
export function publicKeyOf(privateKeyPem: string): string {
  return createPublicKey(readPrivateKey(privateKeyPem)).export({ type: 'spki', format: 'pem' }).toString();
}

/** @throws PayflowError CONFIG_INVALID when it is no Ed25519 private key */
export function readPrivateKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new PayflowError('CONFIG_INVALID', 'the terminal key is no private key in PEM', { cause });
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new PayflowError('CONFIG_INVALID', 'the terminal key is no Ed25519 key');
  }
  return key;
}

export function signBytes(bytes: Uint8Array, key: KeyObject): Buffer {
  return sign(null, bytes, key);
}

/** @param publicKey SPKI in PEM, or made from it by `readPublicKey` (cheaper for many records) */
export function verifyBytes(
  bytes: Uint8Array,
  signature: Uint8Array,
  publicKey: KeyObject | string,
): boolean {
  const key = typeof publicKey === 'string' ? readPublicKey(publicKey) : publicKey;
  return verify(null, bytes, key, signature);
}

/** @throws PayflowError SIGNATURE_INVALID when it is no Ed25519 public key */
export function readPublicKey(pem: string): KeyObject {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    throw new PayflowError('SIGNATURE_INVALID', 'the registered key cannot be read', { cause });
  }
  throw new PayflowError('SIGNATURE_INVALID', 'the registered key is no Ed25519 key');
}
