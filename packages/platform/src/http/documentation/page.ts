/** A service as the pages name it, and where its documentation is. */
export type Service = Readonly<{ title: string; url: string }>

export type Page = Readonly<{
  title: string
  /** The service next to this one. */
  related: Service | undefined
  /** The ids of the operations, in the order in which the page lists them. */
  operationIds: readonly string[]
}>

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

const escape = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => escapes[character] ?? '')

/** The page at /docs. It loads Swagger UI, and nothing from other origins. */
export const documentationPage = ({ title, related, operationIds }: Page): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} – API documentation</title>
<link rel="icon" href="/favicon.ico" type="image/svg+xml">
<link rel="stylesheet" href="/docs/static/swagger-ui.css">
<link rel="stylesheet" href="/docs/static/page.css">
</head>
<body>
<header>
<nav aria-label="Documentation">
<a href="/docs" aria-current="page">${escape(title)}</a>
${related === undefined ? '' : `<a href="${escape(related.url)}">${escape(related.title)}</a>\n`}<a href="/openapi.json">OpenAPI document</a>
</nav>
</header>
<main id="reference" data-operations="${escape(operationIds.join(' '))}">
<noscript><p>This page needs JavaScript. The <a href="/openapi.json">OpenAPI document</a> says the same.</p></noscript>
</main>
<script src="/docs/static/swagger-ui-bundle.js"></script>
<script src="/docs/static/page.js"></script>
</body>
</html>
`

/** An icon with the first letter of the title, to tell the tabs of a browser apart. */
export const icon = (
  title: string,
): string => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#1f4e79"/><text x="16" y="23" \
font-family="sans-serif" font-size="20" font-weight="bold" text-anchor="middle" fill="#fff">${escape(title.slice(0, 1))}</text></svg>
`
