import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { requirePublicKey } from '../../../services/gateway/public-key.ts';

const HEAD = Buffer.from('302a300506032b6570032100', 'hex');

function pem(label: string, der: Buffer): string {
  return `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`;
}

function spki(point: string): string {
  return pem('PUBLIC KEY', Buffer.concat([HEAD, Buffer.from(point, 'hex')]));
}

describe('the public key of a till', () => {
  it('comes back in one form, however it was written', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const canonical = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(requirePublicKey(canonical)).toBe(canonical);
    expect(requirePublicKey(`\n ${canonical.replaceAll('\n', '\r\n')}\n`)).toBe(canonical);
  });

  it('is refused when it is a private key, another kind of key, two keys or no key', () => {
    const ed = generateKeyPairSync('ed25519');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const wrong = [
      ed.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      ed.publicKey.export({ type: 'spki', format: 'pem' }).toString().repeat(2),
      pem('PUBLIC KEY', HEAD),
      'no key',
      '',
    ];
    for (const text of wrong) {
      expect(() => requirePublicKey(text)).toThrow(expect.objectContaining({ code: 'VALIDATION' }) as Error);
    }
  });

  it('is refused when it is a point of small order, in each of its spellings', () => {
    const points = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      // Not reduced: 0 and 1 once more.
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ];
    for (const point of points) {
      const negative = `${point.slice(0, 62)}${(Number.parseInt(point.slice(62), 16) | 0x80).toString(16)}`;
      expect(() => requirePublicKey(spki(point))).toThrow(/small order/);
      expect(() => requirePublicKey(spki(negative))).toThrow(/small order/);
    }
  });
});
