/**
 * Whether the route is polled by monitoring. Such requests are never rejected because of overload, not
 * traced, and logged only at level debug.
 */
export const isOperational = (route = ''): boolean => route === '/metrics' || route.startsWith('/health')
