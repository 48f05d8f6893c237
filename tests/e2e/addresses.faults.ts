import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import { channelTo } from '@shop/platform/grpc/channel.ts'
import { callUnary } from '@shop/platform/grpc/client.ts'
import { requestWithHost } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'

/** A library that answers as the kernel of a machine without IPv6 does. */
const withoutIpv6 = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>
int socket(int family, int type, int protocol) {
  if (family == AF_INET6) { errno = EAFNOSUPPORT; return -1; }
  int (*next)(int, int, int) = dlsym(RTLD_NEXT, "socket");
  return next(family, type, protocol);
}
`

const compile = async (folder: string): Promise<string> => {
  const [source, library] = [join(folder, 'without-ipv6.c'), join(folder, 'without-ipv6.so')]
  await writeFile(source, withoutIpv6)
  const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-o', library, source, '-ldl'])
  assert.equal(status, 0, String(stderr))
  return library
}

/** An IPv4 address of this machine that is not loopback, or the loopback address if it has no other. */
const ownAddress = (): string =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'

const isServed = ({ url }: RunningService, host: string): Promise<boolean> =>
  fetch(Object.assign(new URL('/health/live', url), { hostname: host })).then(
    ({ ok }) => ok,
    () => false,
  )

const isServedOverGrpc = async (host: string, port: string): Promise<boolean> => {
  using client = new DisposableStack()
  const products = client.adopt(new ProductServiceClient(...channelTo(`${host}:${port}`)), (opened) =>
    opened.close(),
  )
  return await callUnary(products.listProducts.bind(products), { pageSize: 1, pageToken: '' }, 5_000).then(
    () => true,
    () => false,
  )
}

const listenedBy = ({ output }: RunningService): string[] =>
  [...output().matchAll(/Server listening at http:\/\/(\S+):\d+"/g)].map(([, host = '']) => host)

describe('the addresses of the services', { skip: withoutPostgres }, () => {
  /** Starts both services with these variables. */
  const start = async (variables: Readonly<Record<string, string>>, stack: AsyncDisposableStack) => {
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'addresses-')))
    const schema = stack.use(await ownSchema())
    const grpcPort = String(await freePort())
    const common = { WORKERS: '2', DATA_DIR: folder.path, ...variables }
    const [product, basket] = await Promise.all([
      startService('product', { ...common, DATABASE_URL: schema.url, GRPC_PORT: grpcPort }),
      startService('basket', { ...common, PRODUCT_SERVICE_URL: `localhost:${grpcPort}` }),
    ])
    stack.use(product)
    stack.use(basket)
    return { product, basket, grpcPort }
  }

  it('are all of IPv6 and IPv4 outside development', async () => {
    await using stack = new AsyncDisposableStack()
    const { product, basket, grpcPort } = await start({ ENVIRONMENT: 'staging' }, stack)
    for (const host of ['[::1]', '127.0.0.1', ownAddress()]) {
      for (const service of [product, basket]) assert.ok(await isServed(service, host), `HTTP ${host}`)
      assert.ok(await isServedOverGrpc(host, grpcPort), `gRPC ${host}`)
    }
  })

  for (const WORKERS of ['1', '2'])
    it(`are both loopback addresses in development, and no other, with ${WORKERS} workers`, async () => {
      await using stack = new AsyncDisposableStack()
      const { product, basket, grpcPort } = await start({ WORKERS }, stack)
      for (const [host, isOpen] of [
        ['[::1]', true],
        ['127.0.0.1', true],
        ['127.0.0.2', false],
      ] as const) {
        for (const service of [product, basket])
          assert.equal(await isServed(service, host), isOpen, `HTTP ${host}`)
        assert.equal(await isServedOverGrpc(host, grpcPort), isOpen, `gRPC ${host}`)
      }
      for (const service of [product, basket])
        assert.deepEqual(new Set(listenedBy(service)), new Set(['127.0.0.1', '[::1]']))
    })

  for (const WORKERS of ['1', '2'])
    for (const [ENVIRONMENT, hosts] of [
      ['development', ['127.0.0.1']],
      ['staging', ['127.0.0.1', ownAddress()]],
    ] as const)
      it(`are those of IPv4 on a machine without IPv6, with ${WORKERS} workers, in ${ENVIRONMENT}`, async () => {
        await using stack = new AsyncDisposableStack()
        const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'without-ipv6-')))
        const { product, basket, grpcPort } = await start(
          { WORKERS, ENVIRONMENT, LD_PRELOAD: await compile(folder.path) },
          stack,
        )
        for (const host of hosts) {
          for (const service of [product, basket]) assert.ok(await isServed(service, host), `HTTP ${host}`)
          assert.ok(await isServedOverGrpc(host, grpcPort), `gRPC ${host}`)
        }
        for (const service of [product, basket]) {
          assert.equal(await isServed(service, '[::1]'), false)
          assert.doesNotMatch(service.output(), /"level":"error"/)
        }
      })

  it('are only that of HOST', async () => {
    await using stack = new AsyncDisposableStack()
    const { product, basket, grpcPort } = await start({ HOST: '127.0.0.1' }, stack)
    for (const service of [product, basket]) {
      assert.ok(await isServed(service, '127.0.0.1'))
      assert.equal(await isServed(service, '[::1]'), false)
      assert.deepEqual(new Set(listenedBy(service)), new Set(['127.0.0.1']))
    }
    assert.ok(await isServedOverGrpc('127.0.0.1', grpcPort))
    assert.equal(await isServedOverGrpc('[::1]', grpcPort), false)
  })

  it('end the limit to local names when HOST is not local', async () => {
    await using stack = new AsyncDisposableStack()
    const { product, basket } = await start({ HOST: '0.0.0.0', WORKERS: '1' }, stack)
    for (const { url } of [product, basket]) {
      const { status } = await requestWithHost(`${url}/health/live`, 'shop.example')
      assert.equal(status, 200)
    }
  })

  it('cannot be those of another machine: the service does not start, and names HOST', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'addresses-'))
    await assert.rejects(
      startService('basket', { HOST: '192.0.2.1', WORKERS: '2', DATA_DIR: folder.path }),
      /Cannot listen on HOST 192\.0\.2\.1: this machine does not have the address\./,
    )
  })
})
