// The health checks by the operator's word (LoadMaster parameter `CheckType`).

import type { HealthCheck } from './health-check.ts';
import { checkHttp, checkHttps } from './http.ts';
import { checkNone } from './none.ts';
import { checkTcp } from './tcp.ts';

export const healthChecks = {
  https: checkHttps,
  http: checkHttp,
  tcp: checkTcp,
  none: checkNone
} satisfies Record<string, HealthCheck>;

export type CheckName = keyof typeof healthChecks;
