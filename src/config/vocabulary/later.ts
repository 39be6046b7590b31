// Parameters of the LoadMaster that Ballast knows and cannot serve now: refused with the reason,
// never ignored. Those with a harmless value accept that one.

import { boolean, integer, later, never, only, refused, type Refusal } from '../kind.ts';
import { parameter, type Parameter } from '../section.ts';

const esp = later('pre-authentication comes');
const headers = later('rules that change headers come');
const limits = later('limits of a service come');
const waf = never('there is no web application firewall in Ballast');

/** In a virtual service and in a SubVS. */
export const laterInBoth = {
  ldapEndpoint: parameter(refused(never('LDAP servers are not checked')), '-', ''),
  matchLen: off(integer(0, 8000), 0, never('binary checks do not exist')),
  addVia: off(integer(0, 6), 0, later('headers for one service alone come')),
  ...all(refused(headers), ['copyHdrFrom', 'copyHdrTo', 'extraHdrKey', 'extraHdrValue']),
  qoS: off(integer(0, 16), 0, never('Node cannot mark packets')),
  ...all(only(integer(0, 100_000_000), [0], limits), [
    'bandwidth',
    'connsPerSecLimit',
    'requestsPerSecLimit',
    'maxConnsLimit'
  ]),
  intercept: off(boolean, false, waf),
  interceptMode: off(integer(0, 2), 0, waf),
  espEnabled: parameter(only(boolean, [false], esp), false, '', ['enableESP']),
  inputAuthMode: off(integer(0, 8), 0, esp),
  outputAuthMode: off(integer(0, 4), 0, esp),
  espLogs: parameter(only(integer(0, 7), [0], esp), 0, '', ['espLog']),
  singleSignOnMessage: parameter(refused(esp), '-', '', ['singleSignInMessage']),
  smtpAllowedDomains: parameter(refused(esp), '-', '', ['smtpAllow', 'smtppAllow']),
  excludedDirectories: parameter(refused(esp), '-', '', ['excludeDirectories']),
  ...all(refused(esp), [
    'allowedHosts',
    'allowedDirectories',
    'logoff',
    'domain',
    'altDomains',
    'allowedGroups',
    'includeNestedGroups',
    'displayPubPriv',
    'userPwdChangeUrl',
    'userPwdChangeMsg',
    'userPwdExpiryWarn',
    'singleSignOnDir',
    'sameSite'
  ])
};

/** In a virtual service alone. */
export const laterInVirtualService = {
  sslReverse: off(boolean, false, never('TLS to the servers needs TLS from the clients')),
  ocspVerify: off(
    boolean,
    false,
    never('certificates of clients are checked against clientCAFile alone')
  ),
  allowHTTP2: off(boolean, false, later('HTTP/2 comes')),
  multiConnect: off(boolean, false, never('NTLM forbids sharing of server connections')),
  httpReschedule: off(boolean, false, never('what was sent once is never sent again')),
  cache: off(boolean, false, never('Ballast does not keep answers')),
  cachePercent: off(integer(0, 100), 0, never('Ballast does not keep answers')),
  compress: off(boolean, false, never('Exchange compresses by itself')),
  verify: off(integer(0, 7), 0, waf),
  followVSID: off(integer(0, 65_535), 0, never('each service and SubVS has a table of its own')),
  useForSnat: off(boolean, false, never('Ballast is no router')),
  ...all(refused(never('Ballast is no router')), ['altAddress', 'defaultGW', 'localBindAddrs'])
};

function off<T extends string | number | boolean>(
  kind: Parameters<typeof only<T>>[0],
  value: T,
  refusal: Refusal
): Parameter<T> {
  return parameter(only(kind, [value], refusal), value, '');
}

function all<K extends string, T>(kind: Parameter<T>['kind'], keys: readonly K[]) {
  const entries = keys.map((key) => [key, parameter(kind, '-', '')] as const);
  // Object.fromEntries forgets the names of the keys.
  return Object.fromEntries(entries) as Record<K, Parameter<T>>;
}
