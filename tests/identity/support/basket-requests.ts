export const everyCharacter = (text: string) => Buffer.from(text).toString('hex').replaceAll(/../g, '%$&')

/** How a stranger may write the id of a user. */
export const spellings = (id: string) => [
  id,
  `%${id.charCodeAt(0).toString(16)}${id.slice(1)}`,
  everyCharacter(id),
  everyCharacter(id).toUpperCase(),
  everyCharacter(id).replaceAll('%', '%25'),
  id.toUpperCase(),
  `${id}%00`,
  `${id}%20`,
  `.%2F${id}`,
  `eve%2F..%2F${id}`,
  `${id};x=1`,
  `${id}%3Fx`,
  `${id}%23x`,
]

export const item = { product_id: 1, quantity: 1 }

/** Every operation on the basket, as well-formed as it gets. */
export const operations = (id: string, plain: string) => [
  ...['GET', 'HEAD', 'DELETE'].map((method) => ({ method, path: `/baskets/${id}` })),
  { method: 'POST', path: '/baskets', body: { user_id: plain } },
  { method: 'POST', path: '/baskets/', body: { user_id: plain, guest: false } },
  { method: 'POST', path: `/baskets/${id}/items`, body: item },
  { method: 'POST', path: `/baskets/${id}/items/`, body: { ...item, user_id: 'eve' } },
  { method: 'PUT', path: `/baskets/${id}/items/1`, body: { quantity: 2 } },
  { method: 'PUT', path: `/baskets/${id}/items/1`, body: { quantity: 0, user_id: 'eve', product_id: 1 } },
  { method: 'DELETE', path: `/baskets/${id}/items/1` },
  { method: 'DELETE', path: `/baskets/${id}/items` },
  { method: 'GET', path: `http://localhost/baskets/${id}` },
  { method: 'GET', path: `//baskets//${id}` },
  { method: 'GET', path: `/x/../baskets/${id}` },
  { method: 'GET', path: `/baskets/eve/../${id}` },
  { method: 'GET', path: `/baskets/${id}?user_id=eve` },
  { method: 'GET', path: `/baskets/${id}/` },
]
