/**
 * Who may do what at the gateway: one line for every REST route, namespace and socket event. The routes are
 * guarded by this table and by nothing else (http/access.ts): a route without a line can't be registered, a
 * line without a route ends the start. A new route is its handler and one line here; its name is the
 * `operationId` in the OpenAPI document.
 *
 * `own till`: a till's token, for itself only. Which till a request is about stands in its path, body or job, so
 * the handler compares it (`requireRoleOrSelf`); everything else is decided before the handler is reached.
 */
export type Right =
  /** No token. */
  | 'everyone'
  /** No token either: the enrolment code in the body is the credential. */
  | 'enrolment code'
  | 'viewer'
  | 'operator'
  | 'viewer or own till'
  | 'operator or own till';

export interface RouteRight {
  readonly method: 'GET' | 'POST';
  /** As registered; `/*` at the end: everything below, for the pages of a plugin. */
  readonly url: string;
  readonly may: Right;
}

const get = (url: string, may: Right): RouteRight => ({ method: 'GET', url, may });
const post = (url: string, may: Right): RouteRight => ({ method: 'POST', url, may });

export const ROUTES = {
  getHealth: get('/healthz', 'everyone'),
  getReadiness: get('/readyz', 'everyone'),
  getMetrics: get('/metrics', 'everyone'),
  getOpenApi: get('/openapi.json', 'everyone'),
  showDocs: get('/docs/*', 'everyone'),

  enrolTerminal: post('/api/v1/enroll', 'enrolment code'),

  startSync: post('/api/v1/sync', 'operator or own till'),
  getSync: get('/api/v1/sync/:jobId', 'viewer or own till'),

  startVerify: post('/api/v1/verify', 'operator'),
  listVerify: get('/api/v1/verify', 'viewer'),
  getVerify: get('/api/v1/verify/:runId', 'viewer'),

  startSnapshot: post('/api/v1/snapshots', 'operator'),
  listSnapshots: get('/api/v1/snapshots', 'viewer'),

  getStatus: get('/api/v1/status', 'viewer'),
  listTerminals: get('/api/v1/terminals', 'viewer'),
  getTerminal: get('/api/v1/terminals/:id', 'viewer or own till'),
  registerTerminal: post('/api/v1/terminals', 'operator'),
  unfenceTerminal: post('/api/v1/terminals/:id/unfence', 'operator'),
  retireTerminal: post('/api/v1/terminals/:id/retire', 'operator'),
  getTerminalCatalog: get('/api/v1/terminals/:id/catalog', 'viewer'),
  bootstrapTerminal: post('/api/v1/terminals/:id/bootstrap', 'operator'),
  replayToTerminal: post('/api/v1/terminals/:id/replay', 'operator'),

  listConflicts: get('/api/v1/conflicts', 'viewer'),
  getConflict: get('/api/v1/conflicts/:id', 'viewer'),
  resolveConflict: post('/api/v1/conflicts/:id/resolve', 'operator'),
  listDeadLetters: get('/api/v1/dead-letters', 'viewer'),
  getDeadLetter: get('/api/v1/dead-letters/:id', 'viewer'),
  retryDeadLetter: post('/api/v1/dead-letters/:id/retry', 'operator'),
  discardDeadLetter: post('/api/v1/dead-letters/:id/discard', 'operator'),
  retryDeadLetters: post('/api/v1/dead-letters/retry', 'operator'),
  discardDeadLetters: post('/api/v1/dead-letters/discard', 'operator'),
  listRefused: get('/api/v1/refused', 'viewer'),
  getRefused: get('/api/v1/refused/:id', 'viewer'),
  skipRefused: post('/api/v1/refused/:id/skip', 'operator'),
  listHeld: get('/api/v1/held', 'viewer'),
  getHeld: get('/api/v1/held/:id', 'viewer'),
  listOperations: get('/api/v1/operations', 'operator'),
  getOperation: get('/api/v1/operations/:id', 'operator'),
} as const satisfies Record<string, RouteRight>;

export type OperationId = keyof typeof ROUTES;

/** What may connect to a namespace. `/` is nobody's. */
export const NAMESPACES = {
  '/terminals': 'till',
  '/monitor': 'viewer',
} as const;

export type NamespaceName = keyof typeof NAMESPACES;

/** What a client may send; the agent is the connection that said so of itself, with the till's token. */
export const CLIENT_EVENTS = {
  'sync:request': { namespace: '/terminals', from: 'till' },
  'agent:report': { namespace: '/terminals', from: 'agent' },
} as const;

export type ClientEvent = keyof typeof CLIENT_EVENTS;

/** What the gateway tells people who watch; with `rows: 'operator'` a viewer gets keys, columns and reasons only. */
export const MONITOR_EVENTS = {
  status: { rows: 'none' },
  'sync:progress': { rows: 'none' },
  'sync:done': { rows: 'none' },
  'sync:failed': { rows: 'none' },
  'verify:progress': { rows: 'none' },
  'verify:done': { rows: 'none' },
  'verify:failed': { rows: 'none' },
  conflict: { rows: 'operator' },
  'dead-letter': { rows: 'operator' },
} as const;
