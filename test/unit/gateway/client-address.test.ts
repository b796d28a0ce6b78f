import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { networkOf, TrustedProxies } from '../../../services/gateway/client-address.ts';

function request(remoteAddress: string, forwarded?: string): IncomingMessage {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return { socket: { remoteAddress }, headers } as IncomingMessage;
}

describe('where a request comes from', () => {
  const proxies = new TrustedProxies(['10.0.0.0/8', '2001:db8::/32', '192.0.2.1']);

  it.each([
    ['nobody is trusted that is not named', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['a proxy names its client', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['over a socket of both families', '::ffff:10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['two proxies in a row', '10.1.2.3', '198.51.100.1, 192.0.2.1', '198.51.100.1'],
    ['what the client says of itself is not believed', '10.1.2.3', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['a proxy that names nobody is it itself', '10.1.2.3', undefined, '10.1.2.3'],
    ['and one that names nonsense', '10.1.2.3', 'unknown', '10.1.2.3'],
    ['IPv6', '2001:db8::1', '2001:db9::5', '2001:db9::5'],
  ])('%s', (_, remote, forwarded, client) => {
    expect(proxies.clientOf(request(remote, forwarded))).toBe(client);
  });

  it('counts an IPv6 sender by its /64, however it is written', () => {
    expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
    expect(networkOf('2001:0db8:0001:0002::9')).toBe('2001:db8:1:2::/64');
    expect(networkOf('2001:db8::9')).toBe(networkOf('2001:DB8:0:0:ffff::1'));
    expect(networkOf('::1')).toBe('0:0:0:0::/64');
    expect(networkOf('::ffff:192.0.2.7')).toBe('192.0.2.7');
  });
});
