import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, it, mock } from 'node:test'
import { promisify } from 'node:util'
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf'
import {
  FileDescriptorProtoSchema,
  type FileDescriptorSet,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt'
import { Server, status } from '@grpc/grpc-js'
import { root } from '@shop/testing/files.ts'
import { creationOf, openApp } from '../support/store.ts'

/** Calls a method with `buf curl`, a client that has no contract but what `options` tell it. Returns its output. */
const bufCurl = async (...options: string[]): Promise<string> => {
  const args = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...options]
  return (await promisify(execFile)('buf', args, { timeout: 20_000 })).stdout
}

const services = [
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
  'product.ProductService',
]

const files = {
  'grpc.health.v1.Health': 'grpc/health/v1/health.proto',
  'grpc.reflection.v1.ServerReflection': 'grpc/reflection/v1/reflection.proto',
  'grpc.reflection.v1alpha.ServerReflection': 'grpc/reflection/v1alpha/reflection.proto',
  'product.ProductService': 'product/product.proto',
  'google.rpc.BadRequest': 'google/rpc/errors.proto',
  'google.protobuf.FieldMask': 'google/protobuf/field_mask.proto',
} as const

type Answer = Readonly<{
  listServicesResponse?: { service: { name: string }[] }
  fileDescriptorResponse?: { fileDescriptorProto: string[] }
  errorResponse?: { errorCode: number }
}>

/** Sends the requests to the reflection service of this version. */
const reflect = async (address: string, version: string, ...requests: object[]): Promise<Answer[]> => {
  const schema = join(root, 'node_modules/@grpc/reflection/build/proto/grpc')
  const data = requests.map((request) => JSON.stringify(request)).join('\n')
  const method = `grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`
  const output = await bufCurl('--schema', schema, '-d', data, `${address}/${method}`)
  return JSON.parse(`[${output.replaceAll(/\}\s*\{/g, '},{')}]`)
}

/** Links the returned files, which fails if one of their imports or types is missing. */
const linkedFiles = (answer: Answer | undefined) => {
  const encoded = answer?.fileDescriptorResponse?.fileDescriptorProto ?? assert.fail(JSON.stringify(answer))
  const file = encoded.map((text) => fromBinary(FileDescriptorProtoSchema, Buffer.from(text, 'base64')))
  const set: FileDescriptorSet = { $typeName: FileDescriptorSetSchema.typeName, file: file.toReversed() }
  return createFileRegistry(set)
}

describe('gRPC reflection', () => {
  let app: Awaited<ReturnType<typeof openApp>>
  let address = ''
  const registered: string[] = []
  before(async () => {
    const spy = mock.method(Server.prototype, 'addService')
    app = await openApp()
    for (const {
      arguments: [definition = {}],
    } of spy.mock.calls)
      registered.push(
        ...Object.values<{ path: string }>(definition).map(({ path }) => path.split('/')[1] ?? ''),
      )
    spy.mock.restore()
    address = `http://127.0.0.1:${await app.grpc.listen(0)}`
    await app.store.products.add(creationOf({ name: 'Lamp' }))
  })
  after(() => app[Symbol.asyncDispose]())

  for (const version of ['v1', 'v1alpha']) {
    it(`${version} lists exactly the services that the server has, and describes each by symbol and by file`, async () => {
      const requests = Object.entries(files).flatMap(([fileContainingSymbol, fileByFilename]) => [
        { fileContainingSymbol },
        { fileByFilename },
      ])
      const unknown = [{ fileContainingSymbol: 'product.Nothing' }, { fileByFilename: 'nothing.proto' }]
      const answers = await reflect(address, version, { listServices: '*' }, ...unknown, ...requests)
      const [list, unknownSymbol, unknownFile, ...described] = answers
      const listed = list?.listServicesResponse?.service.map(({ name }) => name).toSorted()
      assert.deepEqual(listed, services)
      assert.deepEqual([...new Set(registered)].toSorted(), services)
      const notFound = { errorCode: status.NOT_FOUND }
      for (const answer of [unknownSymbol, unknownFile])
        assert.partialDeepStrictEqual(answer, { errorResponse: notFound })

      assert.equal(described.length, requests.length)
      for (const [index, [symbol, file]] of Object.entries(files).entries())
        for (const answer of described.slice(2 * index, 2 * index + 2)) {
          const registry = linkedFiles(answer)
          assert.ok(registry.get(symbol), symbol)
          assert.ok(registry.getFile(file), file)
        }
    })

    it(`${version} lets a generic client list and call the methods of every service`, async () => {
      const options = ['--reflect', '--reflect-protocol', `grpc-${version}`]
      const call = async (method: string, data: object) =>
        JSON.parse(await bufCurl(...options, '-d', JSON.stringify(data), `${address}/${method}`))

      const methods = (await bufCurl(...options, '--list-methods', address)).trim().split('\n')
      assert.deepEqual(
        methods.filter((name) => !name.startsWith('product.')),
        [
          ...['Check', 'List', 'Watch'].map((name) => `grpc.health.v1.Health/${name}`),
          'grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
          'grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
        ],
      )
      assert.deepEqual(await call('grpc.health.v1.Health/Check', {}), { status: 'NOT_SERVING' })
      const notServing = { status: 'NOT_SERVING' }
      assert.deepEqual(await call('grpc.health.v1.Health/List', {}), {
        statuses: { '': notServing, 'product.ProductService': notServing },
      })
      const page = await call('product.ProductService/ListProducts', { page_size: 1 })
      assert.equal(page.products[0].name, 'Lamp')
      assert.ok(page.products[0].createdAt, 'fields have their JSON names')
      const { id } = page.products[0]
      const masked = { ids: [id], read_mask: 'name,createdAt' }
      assert.deepEqual(await call('product.ProductService/BatchGetProducts', masked), {
        products: [{ id, name: 'Lamp', createdAt: page.products[0].createdAt }],
      })
    })
  }

  it('is not needed by clients with the contract of the last release, whose calls still succeed', async () => {
    const schema = ['--schema', join(root, 'api/released/proto')]
    const list = `${address}/product.ProductService/ListProducts`
    const { products } = JSON.parse(await bufCurl(...schema, '-d', '{"page_size": 1}', list))
    assert.equal(products[0].name, 'Lamp')
    const failed: { stderr: string } = await bufCurl(...schema, '-d', '{"page_size": -1}', list).then(
      () => assert.fail('the call succeeded'),
      (error) => error,
    )
    const { code, message } = JSON.parse(failed.stderr)
    assert.deepEqual([code, message], ['invalid_argument', 'page_size must be a whole number from 0 to 1000'])
  })
})
