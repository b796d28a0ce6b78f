/**
 * From where a request comes. Behind a proxy that is the newest address in X-Forwarded-For that no proxy of ours
 * wrote about another proxy of ours; a header that comes from anywhere else is the sender's own invention.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { PayflowError } from '../shared/errors.ts';

export class TrustedProxies {
  readonly #list = new BlockList();

  /** @param proxies addresses and CIDRs, as in TRUST_PROXY @throws PayflowError CONFIG_INVALID */
  constructor(proxies: readonly string[]) {
    for (const proxy of proxies) {
      const [address = '', bits] = proxy.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      try {
        if (bits === undefined) this.#list.addAddress(address, family);
        else this.#list.addSubnet(address, Number(bits), family);
      } catch (cause) {
        throw new PayflowError('CONFIG_INVALID', `TRUST_PROXY: ${proxy} is no address or CIDR`, {
          cause,
          details: { variables: ['TRUST_PROXY'] },
        });
      }
    }
  }

  has(address: string): boolean {
    const plain = plainAddress(address);
    const family = isIP(plain);
    return family !== 0 && this.#list.check(plain, family === 6 ? 'ipv6' : 'ipv4');
  }

  clientOf({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    let address = plainAddress(socket.remoteAddress ?? '');
    const header = headers['x-forwarded-for'];
    const hops = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').reverse();
    for (const hop of hops) {
      if (!this.has(address)) return address;
      const before = plainAddress(hop.trim());
      // What is not an address can't be counted by; the proxy itself is answerable for it then.
      if (isIP(before) === 0) return address;
      address = before;
    }
    return address;
  }
}

/** An IPv4 address that came over an IPv6 socket is that IPv4 address. */
function plainAddress(address: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice('::ffff:'.length) : address;
}

const HOST_GROUPS = 4;
const GROUPS = 8;

/** What one customer of a provider can choose freely is one sender: an IPv4 address, or an IPv6 /64. */
export function networkOf(address: string): string {
  const plain = plainAddress(address).toLowerCase();
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = (plain.split('%')[0] ?? '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, GROUPS - left.length - right.length) }, () => '0');
  const groups = [...left, ...(tail === undefined ? [] : zeros), ...right];
  return `${groups
    .slice(0, HOST_GROUPS)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
