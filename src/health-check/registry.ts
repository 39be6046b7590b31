// The health checks by the operator's word (LoadMaster parameter `CheckType`).

import type { HealthCheck } from './health-check.ts';
import { checkHttp, checkHttps } from './http.ts';
import { checkImap } from './imap.ts';
import { checkNone } from './none.ts';
import { checkPop3 } from './pop3.ts';
import { checkSmtp } from './smtp.ts';
import { checkTcp } from './tcp.ts';

export const healthChecks = {
  https: checkHttps,
  http: checkHttp,
  imap: checkImap,
  pop3: checkPop3,
  smtp: checkSmtp,
  tcp: checkTcp,
  none: checkNone
} satisfies Record<string, HealthCheck>;

export type CheckName = keyof typeof healthChecks;
