// One error type for everything that is expected to go wrong while a request is served. It answers
// the two questions that matter: whose fault was it, and may the request be tried elsewhere.

/** Why a session or an exchange ended early; the same word stands in the access log. */
export const errorCodes = [
  'malformed-request',
  'uri-too-long',
  'head-too-large',
  'not-implemented',
  'version-not-supported',
  'request-timeout',
  'client-closed',
  'no-rule',
  'rule-must-fail',
  'forbidden',
  'no-server',
  'no-directory',
  'cannot-connect',
  'server-closed',
  'server-timeout',
  'malformed-answer',
  'truncated-answer',
  'greeting-refused',
  'protocol-violation',
  'line-too-long',
  'unclear-mail',
  'recipients-refused',
  'login-timeout',
  'idle',
  'too-many-connections',
  'no-proxy-header',
  'drained',
  'service-gone',
  'draining'
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export class ProxyError extends Error {
  readonly code: ErrorCode;
  readonly source: 'client' | 'server' | 'ballast';
  /** True only while no byte of the request has reached a server. */
  readonly retryable: boolean;

  constructor(
    code: ErrorCode,
    source: 'client' | 'server' | 'ballast',
    message: string,
    retryable = false
  ) {
    super(message);
    this.name = 'ProxyError';
    this.code = code;
    this.source = source;
    this.retryable = retryable;
  }
}
