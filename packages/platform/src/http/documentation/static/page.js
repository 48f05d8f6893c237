/* global SwaggerUIBundle */
const reference = document.querySelector('#reference')
const operationIds = reference.dataset.operations.split(' ')
const position = (operation) => operationIds.indexOf(operation.getIn(['operation', 'operationId']))

const prefersDark = matchMedia('(prefers-color-scheme: dark)')
const applyColors = () => document.documentElement.classList.toggle('dark-mode', prefersDark.matches)
prefersDark.addEventListener('change', applyColors)
applyColors()

SwaggerUIBundle({
  domNode: reference,
  url: '/openapi.json',
  validatorUrl: null,
  deepLinking: true,
  // A token is kept in memory, until the page is left.
  persistAuthorization: false,
  syntaxHighlight: { theme: 'nord' },
  operationsSorter: (a, b) => position(a) - position(b),
})
