import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { networkMatcher } from '../../src/config/networks.ts'

/** The addresses of the list that are in the networks. */
const matches = (networks: string, addresses: readonly string[]) => addresses.filter(networkMatcher(networks))

describe('networkMatcher', () => {
  it('finds addresses and networks, of which the bits after the prefix do not count', () => {
    assert.deepEqual(matches('192.0.2.7', ['192.0.2.7', '192.0.2.8']), ['192.0.2.7'])
    assert.deepEqual(matches('172.20.0.1/12', ['172.16.0.0', '172.31.255.255', '172.32.0.0']), [
      '172.16.0.0',
      '172.31.255.255',
    ])
    assert.deepEqual(matches('2001:db8::/33', ['2001:DB8:7fff::1', '2001:db8:8000::1']), ['2001:DB8:7fff::1'])
    assert.deepEqual(matches('127.0.0.2/32,::1', ['127.0.0.1', '127.0.0.2', '::1']), ['127.0.0.2', '::1'])
  })

  it('finds an IPv4 address in the form of IPv6, in the list and in the question', () => {
    assert.deepEqual(matches('10.0.0.0/8', ['::ffff:10.1.2.3', '::ffff:a01:203', '::ffff:11.1.2.3']), [
      '::ffff:10.1.2.3',
      '::ffff:a01:203',
    ])
    assert.deepEqual(matches('::ffff:10.0.0.1', ['10.0.0.1', '::ffff:10.0.0.1', '10.0.0.2', '::1']), [
      '10.0.0.1',
      '::ffff:10.0.0.1',
    ])
  })

  it('knows the networks of this machine, of links and of organisations by name', () => {
    const loopback = ['127.0.0.1', '127.255.255.255', '::1', '::ffff:127.0.0.1']
    const linklocal = ['169.254.1.1', 'fe80::1', 'febf::1', 'fe80::1%eth0']
    const uniquelocal = ['10.0.0.1', '172.16.0.1', '172.31.0.1', '192.168.1.1', 'fd00::1']
    const others = [
      '128.0.0.1',
      '::2',
      '169.255.0.1',
      'fec0::1',
      '172.32.0.1',
      '192.169.0.1',
      'fe00::1',
      '8.8.8.8',
    ]
    const all = [...loopback, ...linklocal, ...uniquelocal, ...others]
    assert.deepEqual(matches('loopback', all), loopback)
    assert.deepEqual(matches('linklocal', all), linklocal)
    assert.deepEqual(matches('uniquelocal', all), uniquelocal)
    assert.deepEqual(matches('off', all), [])
  })

  it('finds nothing that is no address', () => {
    const matcher = networkMatcher('loopback,0.0.0.0/1,128.0.0.0/1,::/1,8000::/1')
    for (const address of [undefined, '', 'localhost', '127.0.0.1:80', 'unknown', '/run/shop.sock'])
      assert.equal(matcher(address), false)
  })
})
