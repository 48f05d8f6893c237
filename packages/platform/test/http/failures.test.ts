import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError, type ErrorKind, invalid } from '@shop/kernel/errors.ts'
import { assertProblem } from '@shop/testing/asserts/problem.ts'
import { problems } from '../../src/http/problem.ts'
import { startServer } from '../support/http-server.ts'

/** Sends a request to a route that throws. Returns the response, and the log lines at level error. */
const responseTo = async (thrown: unknown) => {
  await using server = await startServer({
    routes: async (app) => {
      app.get('/fail', async () => {
        throw thrown
      })
    },
  })
  const response = await server.app.inject('/fail?secret=1')
  const errors = server.lines.filter(({ level }) => level === 50)
  return { response, errors }
}

const internalError = {
  status: 500,
  code: 'internal',
  detail: 'something went wrong on our side',
  instance: '/fail',
}

describe('an error that a route throws', () => {
  const statuses: [kind: ErrorKind, status: number, code?: string][] = [
    ['invalid', 400],
    ['unauthenticated', 401],
    ['forbidden', 403],
    ['not_found', 404],
    ['not_found', 404, 'product_not_found'],
    ['conflict', 409, 'insufficient_stock'],
    ['conflict', 409, 'basket_full'],
    ['gone', 410, 'cursor_expired'],
    ['stale', 412],
    ['unprocessable', 422, 'idempotency_key_reused'],
    ['precondition_required', 428],
    ['rate_limited', 429],
    ['unavailable', 503],
  ]
  for (const [kind, status, ownCode] of statuses) {
    const error = new AppError(kind, 'a rule was broken', { code: ownCode })
    const { code } = error
    it(`of kind ${kind} and code ${code} is answered with ${status} and its message`, async () => {
      const { response } = await responseTo(error)
      assertProblem(response, { status, code, detail: 'a rule was broken', instance: '/fail' })
    })
  }

  it('is answered with its details', async () => {
    const outOfStock = new AppError('conflict', 'only 3 are in stock', {
      code: 'insufficient_stock',
      details: { available: 3, requested: 5 },
    })
    assertProblem((await responseTo(outOfStock)).response, {
      status: 409,
      code: 'insufficient_stock',
      detail: 'only 3 are in stock',
      instance: '/fail',
      available: 3,
      requested: 5,
    })
    const errors = [{ path: '/price', message: 'must have at most two decimal places' }]
    assertProblem((await responseTo(invalid(...errors))).response, {
      status: 400,
      code: 'invalid',
      detail: 'price must have at most two decimal places',
      instance: '/fail',
      errors,
    })
  })

  it('is answered with the details that its service declares, even if the schema of the route does not list them', async () => {
    await using server = await startServer({
      problemMembers: { available: { type: 'integer', description: 'Pieces left' } },
      routes: async (app) => {
        app.get('/fail', { schema: { response: problems(409) } }, async () => {
          throw new AppError('conflict', 'only 3 are left', { details: { available: 3 } })
        })
      },
    })
    const problem = { status: 409, code: 'conflict', detail: 'only 3 are left', instance: '/fail' }
    assertProblem(await server.app.inject('/fail'), { ...problem, available: 3 })
    const document = (await server.app.inject('/openapi.json')).json()
    assert.deepEqual(document.components.schemas.Problem.properties.available, {
      type: 'integer',
      description: 'Pieces left',
    })
    assert.equal(document.components.schemas.Problem.required.includes('available'), false)
  })

  it('is answered with Retry-After only when a dependency is down or the rate limit is exceeded', async () => {
    const { response, errors } = await responseTo(new AppError('unavailable', 'the database is down'))
    assert.equal(response.headers['retry-after'], '1')
    assert.equal(errors.length, 1)
    const rateLimited = await responseTo(new AppError('rate_limited', 'too many requests'))
    assert.equal(rateLimited.response.headers['retry-after'], '1')
    assert.equal(rateLimited.errors.length, 0)
    const later = new AppError('rate_limited', 'too many requests', { retryAfterSeconds: 72 })
    assert.equal((await responseTo(later)).response.headers['retry-after'], '72')
    const other = await responseTo(new AppError('stale', 'changed since'))
    assert.equal(other.response.headers['retry-after'], undefined)
    assert.equal(other.errors.length, 0)
  })

  it('has its cause in the log, but not in the response', async () => {
    const cause = new Error('connect ECONNREFUSED 10.0.0.7:5432')
    const { response, errors } = await responseTo(
      new AppError('unavailable', 'the database is down', { cause }),
    )
    assert.doesNotMatch(response.body + JSON.stringify(response.headers), /ECONNREFUSED|10\.0\.0\.7/)
    assert.match(JSON.stringify(errors), /connect ECONNREFUSED 10\.0\.0\.7:5432/)
  })
})

describe('an outage', () => {
  it('is logged with its stack once; the line of each request has its status, request id and cause', async () => {
    const server = await startServer({
      routes: async (app) => {
        app.get('/fail', async () => {
          const cause = new Error('connect ECONNREFUSED 10.0.0.7:5432')
          throw new AppError('unavailable', 'the database is down', { cause })
        })
      },
    })
    const ids: unknown[] = []
    for (let request = 0; request < 20; request += 1)
      ids.push((await server.app.inject('/fail')).headers['x-request-id'])
    await server.app.close()
    const requests = server.lines.filter(({ msg }) => msg === 'request')
    assert.deepEqual(
      requests.map(({ request_id }) => request_id),
      ids,
    )
    for (const { status, cause } of requests)
      assert.deepEqual([status, cause], [503, 'the database is down: connect ECONNREFUSED 10.0.0.7:5432'])
    const errors = server.lines.filter(({ level }) => level === 50)
    assert.deepEqual(
      errors.map(({ msg, count, err }) => [msg, count, err !== undefined]),
      [
        ['request failed', undefined, true],
        ['request failed repeatedly', 19, false],
      ],
    )
    assert.ok(JSON.stringify(server.lines).length < 20 * 500)
  })
})

describe('a bug', () => {
  it('is answered with a 500 without details, and logged once with all details', async () => {
    const bug = new TypeError('cannot read password of undefined', {
      cause: new Error('select secret from users'),
    })
    const { response, errors } = await responseTo(bug)
    assertProblem(response, internalError)
    assert.doesNotMatch(
      response.body + JSON.stringify(response.headers),
      /password|secret|TypeError|\.ts|at /,
    )

    const [line, ...more] = errors
    assert.deepEqual(more, [])
    assert.deepEqual(
      [line?.['msg'], line?.['route'], line?.['request_id']],
      ['request failed', '/fail', response.headers['x-request-id']],
    )
    const logged = JSON.stringify(line)
    assert.match(logged, /TypeError: cannot read password of undefined/)
    assert.match(logged, /select secret from users/)
    assert.match(logged, /failures\.test\.ts/)
  })

  it('is answered with a 500 for any value that is thrown', async () => {
    const internal = new AppError('internal', 'the state is corrupt')
    const withStatus = [200, 500, 503].map((statusCode) => Object.assign(new Error('secret'), { statusCode }))
    for (const thrown of [internal, ...withStatus, 'text', undefined, null, 42, { statusCode: 418 }]) {
      const { response, errors } = await responseTo(thrown)
      assertProblem(response, internalError)
      assert.equal(errors.length, 1)
    }
  })

  it('is answered with a 500 when the response cannot be serialized', async () => {
    await using server = await startServer({
      routes: async (app) => {
        app.get('/fail', async () => {
          const circular: Record<string, unknown> = {}
          circular['self'] = circular
          return circular
        })
      },
    })
    assertProblem(await server.app.inject('/fail'), internalError)
  })
})
