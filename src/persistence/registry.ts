// The persistence modes by the operator's word (LoadMaster parameter `Persist`); `none` is the lack
// of one.

import { activeCookie, activeCookieOrSource } from './active-cookie.ts';
import { forwardedAddress } from './forwarded-address.ts';
import { header } from './header.ts';
import { host } from './host.ts';
import type { PersistenceKind } from './persistence.ts';
import { queryItem } from './query-item.ts';
import { serverCookie, serverCookieOrSource } from './server-cookie.ts';
import { sourceAddress } from './source-address.ts';
import { superHttp } from './super-http.ts';
import { url } from './url.ts';

export const persistences = {
  src: sourceAddress,
  'super-src': forwardedAddress,
  super: superHttp,
  'active-cookie': activeCookie,
  'active-cook-src': activeCookieOrSource,
  cookie: serverCookie,
  'cookie-src': serverCookieOrSource,
  url,
  'query-hash': queryItem,
  host,
  header
} satisfies Record<string, PersistenceKind>;

export type PersistenceName = keyof typeof persistences;
