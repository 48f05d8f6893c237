type Addresses = Readonly<{ product: string; grpc: string; basket: string }>

const json = "-H 'Content-Type: application/json' -d"

const forEverybody = ({ product, basket }: Addresses): string => `Try:

  curl ${product}/products/top-5
  curl -X POST ${product}/products ${json} '{"name": "Emma", "description": "A novel by Jane Austen", "price": 11.5, "stock": 20, "category": "Books"}'
  curl -X POST ${basket}/baskets/user123/items ${json} '{"product_id": 1, "quantity": 2}'
  curl ${basket}/baskets/user123`

const withoutCredentials = (
  { product, basket }: Addresses,
  guests: boolean,
): string => `Without credentials, try:

  curl ${product}/products/top-5${guests ? `\n  curl -X POST ${basket}/baskets ${json} '{"guest": true}'` : ''}

Changes of products and baskets of users need credentials: docs/identity.md has examples.`

/** What `make dev` prints when the shop is up: where it is, and requests that work with this configuration. */
export const welcomeMessage = (
  addresses: Addresses,
  { AUTH: auth = '', GUESTS: guests }: Readonly<NodeJS.ProcessEnv>,
): string => `
The shop is running.

  Product service  ${addresses.product}  docs: ${addresses.product}/docs  gRPC: ${addresses.grpc}
  Basket service   ${addresses.basket}  docs: ${addresses.basket}/docs

${['', 'off'].includes(auth) ? forEverybody(addresses) : withoutCredentials(addresses, guests !== 'off')}

Ctrl-C stops both.

`
