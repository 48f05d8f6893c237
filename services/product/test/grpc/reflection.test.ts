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
import { Server } from '@grpc/grpc-js'
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
    it(`${version} lists exactly the services that the server has`, async () => {
      const [answer] = await reflect(address, version, { listServices: '*' })
      const listed = answer?.listServicesResponse?.service.map(({ name }) => name).toSorted()
      assert.deepEqual(listed, services)
      assert.deepEqual([...new Set(registered)].toSorted(), services)
    })

    it(`${version} describes every service, and the details of errors, by symbol and by file`, async () => {
      const symbols = Object.keys(files)
      const requests = Object.entries(files).flatMap(([fileContainingSymbol, fileByFilename]) => [
        { fileContainingSymbol },
        { fileByFilename },
      ])
      const answers = await reflect(address, version, ...requests)
      assert.equal(answers.length, requests.length)
      for (const [index, answer] of answers.entries()) {
        const symbol = symbols[Math.floor(index / 2)] ?? ''
        const registry = linkedFiles(answer)
        assert.ok(registry.get(symbol), symbol)
        assert.ok(registry.getFile(files[symbol as keyof typeof files]), `${symbol} is in its public file`)
      }
    })

    it(`${version} answers NOT_FOUND for an unknown symbol or file`, async () => {
      const [symbol, file] = await reflect(
        address,
        version,
        { fileContainingSymbol: 'product.Nothing' },
        { fileByFilename: 'nothing.proto' },
      )
      assert.deepEqual([symbol?.errorResponse?.errorCode, file?.errorResponse?.errorCode], [5, 5])
    })

    it(`${version} lets a generic client list and call the methods of every service`, async () => {
      const options = ['--reflect', '--reflect-protocol', `grpc-${version}`]
      const call = async (method: string, data: object) =>
        JSON.parse(await bufCurl(...options, '-d', JSON.stringify(data), `${address}/${method}`))

      assert.deepEqual((await bufCurl(...options, '--list-services', address)).trim().split('\n'), services)
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
      const status = { status: 'NOT_SERVING' }
      assert.deepEqual(await call('grpc.health.v1.Health/List', {}), {
        statuses: { '': status, 'product.ProductService': status },
      })
      const page = await call('product.ProductService/ListProducts', { page_size: 1 })
      assert.equal(page.products[0].name, 'Lamp')
      assert.ok(page.products[0].createdAt, 'fields have their JSON names')
    })
  }
})
