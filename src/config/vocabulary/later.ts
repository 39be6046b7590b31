// Parameters of the LoadMaster that Ballast knows and cannot serve now: refused with the reason,
// never ignored. Those with a harmless value accept that one.

import { boolean, integer, later, never, only, refused, type Refusal } from '../kind.ts';
import { parameter, type Parameter } from '../section.ts';

const captcha = never('the login page asks no other site for anything; names are blocked instead');
const addHeader = never('a rule of type addHeader does it, named in requestRules');
const limits = later('limits of a service come');
const waf = never('there is no web application firewall in Ballast');

/** In a virtual service and in a SubVS. */
export const laterInBoth = {
  ldapEndpoint: parameter(refused(never('no health check speaks LDAP')), '-', ''),
  matchLen: off(integer(0, 8000), 0, never('binary checks do not exist')),
  addVia: off(integer(0, 6), 0, never('additionalL7Header under global is for all services')),
  ...all(refused(never('no rule copies a header')), ['copyHdrFrom', 'copyHdrTo']),
  ...all(refused(addHeader), ['extraHdrKey', 'extraHdrValue']),
  qoS: off(integer(0, 16), 0, never('Node cannot mark packets')),
  ...all(only(integer(0, 100_000_000), [0], limits), [
    'bandwidth',
    'connsPerSecLimit',
    'requestsPerSecLimit',
    'maxConnsLimit'
  ]),
  intercept: off(boolean, false, waf),
  interceptMode: off(integer(0, 2), 0, waf),
  altDomains: parameter(refused(never('a service asks one SSO domain')), '-', ''),
  outConf: parameter(refused(never('Ballast gets no tickets in the name of others')), '-', ''),
  ...all(refused(never('directories are asked by LDAP alone')), [
    'verifyBearer',
    'bearerCertificateName',
    'bearerText',
    'tokenServerFQDN'
  ]),
  ...all(refused(never('the servers hear of a user by outputAuthMode alone')), ['addAuthHeader']),
  ...all(refused(never('groups choose who gets in, not a server')), ['steeringGroups']),
  ...all(refused(never('groups are known by their names; use allowedGroups')), ['groupSIDs']),
  multiDomainPermittedGroups: off(boolean, false, never('groups are those of one directory')),
  ...all(refused(never('hosts are not excluded; use excludedDirectories')), ['excludedDomains']),
  captcha: off(boolean, false, captcha),
  ...all(refused(captcha), [
    'captchaPublicKey',
    'captchaPrivateKey',
    'captchaAccessUrl',
    'captchaVerifyUrl'
  ]),
  disablePasswordForm: off(boolean, false, never('it is for RADIUS and RSA')),
  singleSignOnDir: parameter(refused(never('there is one login page')), '-', ''),
  sameSite: parameter(refused(never('the cookie of a session is always SameSite=Lax')), '-', ''),
  userPwdExpiryWarn: off(boolean, false, never('nobody is warned before his password expires')),
  userPwdExpiryWarnDays: off(
    integer(1, 30),
    15,
    never('nobody is warned before his password expires')
  )
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
  altAddress: parameter(refused(never('a service has one address; add a second service')), '-', ''),
  defaultGW: parameter(refused(never('Ballast is no router')), '-', ''),
  localBindAddrs: parameter(
    refused(never('the system chooses the address, or subnetOriginating')),
    '-',
    ''
  )
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
