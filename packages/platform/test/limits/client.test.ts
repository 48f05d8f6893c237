import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { clientFinder } from '../../src/limits/client.ts'

describe('the client', () => {
  it('is the peer, unless that is trusted', () => {
    const find = clientFinder('off')
    assert.equal(find('203.0.113.7'), '203.0.113.7')
    assert.equal(find('203.0.113.7', '198.51.100.1'), '203.0.113.7')
    assert.equal(find('::ffff:203.0.113.7'), '203.0.113.7')
  })

  it('is the /64 network of an IPv6 address', () => {
    const find = clientFinder('off')
    assert.equal(find('2001:db8:1:2::5'), '2001:db8:1:2::/64')
    assert.equal(find('2001:db8:1:2:aaaa:bbbb:cccc:dddd'), '2001:db8:1:2::/64')
    assert.equal(find('2001:db8::5'), '2001:db8:0:0::/64')
    assert.equal(find('::1'), '0:0:0:0::/64')
    assert.equal(find('2001:db8:0:0:1::'), '2001:db8:0:0::/64')
  })

  it('of a trusted proxy is the last address that the proxies do not trust', () => {
    const find = clientFinder('10.0.0.0/8')
    assert.equal(find('10.0.0.1', '198.51.100.1'), '198.51.100.1')
    assert.equal(find('10.0.0.1', '192.0.2.66, 198.51.100.1, 10.0.0.9'), '198.51.100.1')
    assert.equal(find('::ffff:10.0.0.1', '2001:db8:1:2::5'), '2001:db8:1:2::/64')
  })

  it('has no port, whatever the proxy sends', () => {
    const find = clientFinder('10.0.0.0/8')
    assert.equal(find('10.0.0.1', '198.51.100.1:5000'), '198.51.100.1')
    assert.equal(find('10.0.0.1', '198.51.100.1, 10.0.0.9:5000'), '198.51.100.1')
    assert.equal(find('10.0.0.1', '[2001:db8:1:2::5]:5000'), '2001:db8:1:2::/64')
    assert.equal(find('10.0.0.1', '[2001:db8:1:2::5]'), '2001:db8:1:2::/64')
    for (const header of ['198.51.100.1:', '[]', '[x]:5000', ':5000'])
      assert.equal(find('10.0.0.1', header), undefined)
    assert.equal(find('10.0.0.1', '::FFFF:198.51.100.1'), '198.51.100.1')
    assert.equal(find('10.0.0.1', '198.51.100.1, ,'), '198.51.100.1')
  })

  it('is unknown if a trusted proxy names none', () => {
    const find = clientFinder('10.0.0.0/8')
    for (const header of [undefined, '', 'unknown', '10.0.0.2', '_hidden'])
      assert.equal(find('10.0.0.1', header), undefined)
  })

  it('shares with all others that are gone before their address was read', () => {
    for (const trusted of ['off', '10.0.0.0/8']) {
      const find = clientFinder(trusted)
      assert.equal(find(undefined), 'gone')
      assert.equal(find(undefined, '198.51.100.1'), 'gone')
    }
  })
})
