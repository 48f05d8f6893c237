import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { ConfigError } from '@shop/platform/config/variables.ts'
import { readConfig as readBasketConfig } from '../../services/basket/src/config.ts'
import { readConfig as readProductConfig } from '../../services/product/src/config.ts'

type Collect = <Result>(read: () => Result) => Result | undefined

/** Returns a function that runs `read` and, if that throws a problem of the configuration, adds it to `problems`. */
const collectInto =
  (problems: Set<string>): Collect =>
  (read) => {
    try {
      return read()
    } catch (error) {
      if (error instanceof ConfigError) for (const problem of error.problems) problems.add(problem)
      // A sentence, unlike the other problems.
      else if (error instanceof OperatorError) problems.add(error.message.replace(/\.$/, ''))
      else throw error
      return undefined
    }
  }

type Ports = Readonly<Record<'PRODUCT_PORT' | 'GRPC_PORT' | 'BASKET_PORT', number>>

const isDefault = (name: string): boolean => (process.env[name] ?? '') === ''

/** The pairs of ports that are equal, by the names of the variables that set them. */
const conflictsOf = (ports: Ports): string[] => {
  const entries = Object.entries(ports)
  return entries.flatMap(([name, port], index) =>
    entries
      .slice(index + 1)
      .filter(([, other]) => other === port)
      .map(([other]) => {
        const byDefault = [name, other].find(isDefault)
        const origin = byDefault === undefined ? '' : `, ${byDefault} by default`
        return `${name} and ${other} must differ: both are ${port}${origin}`
      }),
  )
}

/** The other values of STORAGE are each known to one service only. */
const isForBoth = (storage: string): boolean => ['', 'auto', 'embedded'].includes(storage)

/** Services read `PORT`, but here both run, so each has a variable of its own. */
const environmentsOf = (productPort: number, basketPort: number, grpcAddress: string) => ({
  productEnv: { ...process.env, PORT: String(productPort) },
  basketEnv: {
    ...process.env,
    // Empty counts as not set.
    PRODUCT_SERVICE_URL: process.env['PRODUCT_SERVICE_URL'] || grpcAddress,
    PORT: String(basketPort),
  },
})

/** Stands for a port that is invalid, or must not be part of a conflict yet. */
const unusedPort = 1

/**
 * Reads the configuration of both services. Throws one `ConfigError` with the problems of both. `reachable` returns the
 * host under which this machine reaches a service that listens on another one.
 */
export const readDevConfig = (reachable: (host: string) => string) => {
  const problems = new Set<string>()
  const collect = collectInto(problems)
  const productPort = collect(() => numberVariable('PRODUCT_PORT', 8080, 65_535)) ?? unusedPort
  const basketPort = collect(() => numberVariable('BASKET_PORT', 8081, 65_535)) ?? unusedPort
  const env = { ...process.env }
  if (!isForBoth(env['STORAGE'] ?? '')) {
    problems.add(
      'STORAGE must be auto or embedded, because both services read it; DB_HOST and REDIS_HOST select servers',
    )
    delete env['STORAGE']
  }
  if (!isDefault('OPERATIONS_PORT')) {
    problems.add(
      'OPERATIONS_PORT must not be set, because both services read it; make product and make basket take one each',
    )
    delete env['OPERATIONS_PORT']
  }
  if (!isDefault('TLS_CLIENT_CA_FILE')) {
    problems.add(
      'TLS_CLIENT_CA_FILE must not be set, because make dev has no client certificate; make product and make basket take it',
    )
    delete env['TLS_CLIENT_CA_FILE']
  }
  // Without PORT, the conflict of it and GRPC_PORT would be reported in terms of a variable that nobody has set.
  const product = collect(() => readProductConfig({ ...env, PORT: String(unusedPort) }))
  const host = reachable(product?.http.host ?? 'localhost')
  const scheme = product?.tls === undefined ? 'http' : 'https'
  const grpcAddress = `${scheme === 'https' ? 'https://' : ''}${host}:${product?.grpc.port ?? unusedPort}`
  const { productEnv, basketEnv } = environmentsOf(productPort, basketPort, grpcAddress)
  const basket = collect(() =>
    readBasketConfig({ ...basketEnv, STORAGE: env['STORAGE'], OPERATIONS_PORT: '', TLS_CLIENT_CA_FILE: '' }),
  )
  if (product !== undefined && productPort !== unusedPort && basketPort !== unusedPort)
    for (const conflict of conflictsOf({
      PRODUCT_PORT: productPort,
      GRPC_PORT: product.grpc.port,
      BASKET_PORT: basketPort,
    }))
      problems.add(conflict)
  if (problems.size > 0 || product === undefined || basket === undefined) throw new ConfigError([...problems])
  return {
    listenHost: product.http.host,
    scheme,
    host,
    grpcAddress,
    ports: { PRODUCT_PORT: productPort, GRPC_PORT: product.grpc.port, BASKET_PORT: basketPort },
    productEnv,
    basketEnv,
    delayMs: product.shutdown.delayMs,
  }
}
