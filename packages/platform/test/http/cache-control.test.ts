import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import type { InjectOptions } from 'fastify'
import { Type } from 'typebox'
import { tagged } from '../../src/http/preconditions.ts'
import { startServer } from '../support/http-server.ts'

describe('Cache-Control', async () => {
  const server = await startServer({
    dependencies: [{ name: 'postgres', required: true, probe: () => Promise.reject(new Error('down')) }],
    routes: async (app) => {
      const config = { cacheControl: 'no-cache' } as const
      const schema = { params: Type.Object({ id: Type.Integer() }) }
      app.get('/things/:id', { schema, config }, (request, reply) =>
        tagged(request, reply, '"1"', () => ({ version: 1 })),
      )
      app.put('/things/:id', { schema, config }, async () => ({}))
      app.delete('/things/:id', { schema, config }, (_request, reply) => reply.code(204).send(null))
      app.get('/moved', { config }, (_request, reply) => reply.redirect('/things/1'))
      app.get('/private', { config: { cacheControl: 'private, no-cache' } }, async () => ({}))
      app.get('/undeclared', async () => ({}))
      app.get('/fail', { config }, async () => {
        throw new AppError('not_found', 'nothing here')
      })
      app.get('/bug', { config }, async () => {
        throw new Error('bug')
      })
      app.get('/gone', { config }, (_request, reply) => reply.code(410).send({}))
    },
  })
  after(() => server[Symbol.asyncDispose]())

  const assertHeader = async (expected: string, status: number, request: InjectOptions) => {
    const { statusCode, headers } = await server.app.inject(request)
    const where = JSON.stringify(request)
    assert.deepEqual([statusCode, headers['cache-control']], [status, expected], where)
  }

  it('is what the route declares, for reads, writes, 304 and redirects', async () => {
    const url = '/things/1'
    await assertHeader('no-cache', 200, { url })
    await assertHeader('no-cache', 200, { url, method: 'HEAD' })
    await assertHeader('no-cache', 304, { url, headers: { 'if-none-match': '"1"' } })
    await assertHeader('no-cache', 200, { url, method: 'PUT' })
    await assertHeader('no-cache', 204, { url, method: 'DELETE' })
    await assertHeader('no-cache', 302, { url: '/moved' })
    await assertHeader('private, no-cache', 200, { url: '/private' })
  })

  it('is no-store if the route declares nothing', async () => {
    await assertHeader('no-store', 200, { url: '/undeclared' })
    await assertHeader('no-store', 200, { url: '/health/live' })
    await assertHeader('no-store', 200, { url: '/metrics' })
    await assertHeader('no-store', 204, { url: '/things/1', method: 'OPTIONS' })
  })

  it('is no-store for every error, whatever the route declares', async () => {
    const body = { method: 'PUT', url: '/things/1', headers: { 'content-type': 'application/json' } } as const
    await assertHeader('no-store', 404, { url: '/fail' })
    await assertHeader('no-store', 500, { url: '/bug' })
    await assertHeader('no-store', 410, { url: '/gone' })
    await assertHeader('no-store', 503, { url: '/health' })
    await assertHeader('no-store', 503, { url: '/health/ready' })
    await assertHeader('no-store', 400, { url: '/things/x' })
    await assertHeader('no-store', 404, { url: '/nothing' })
    await assertHeader('no-store', 404, { url: '/docs/static/nothing.js' })
    await assertHeader('no-store', 405, { url: '/things/1', method: 'POST' })
    await assertHeader('no-store', 400, { ...body, payload: '{' })
    await assertHeader('no-store', 413, { ...body, payload: `"${'x'.repeat(70_000)}"` })
    await assertHeader('no-store', 415, { ...body, headers: { 'content-type': 'text/csv' }, payload: 'x' })
    await assertHeader('no-store', 415, { ...body, headers: { 'content-encoding': 'gzip' }, payload: 'x' })
    // The router would answer these itself, without hooks.
    await assertHeader('no-store', 400, { url: '/things/%zz' })
    await assertHeader('no-store', 414, { url: `/things/${'1'.repeat(3_000)}` })
  })

  it('lets caches keep the documentation, but ask before each use', async () => {
    const page = await server.app.inject('/docs/')
    const urls = [...page.body.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, url = '']) => url)
    assert.ok(urls.length > 5)
    for (const url of ['/', '/docs/', '/docs/json', '/docs/yaml', ...urls])
      await assertHeader('no-cache', 200, { url })
    await assertHeader('no-cache', 302, { url: '/', headers: { accept: 'text/html' } })
  })
})
