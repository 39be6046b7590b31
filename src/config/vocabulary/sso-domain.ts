// `ssoDomains:`: directories that say who somebody is. The names are those of the LoadMaster's
// moddomain in lowerCamelCase; with underscores, as it has them, they load too.

import { boolean, choice, form, integer, never, refused, text, type Refusal } from '../kind.ts';
import type { LogonFormat, SsoDomain } from '../model.ts';
import { parameter, type Parameter } from '../section.ts';
import { filePath } from './names.ts';
import { parseEndpoint } from './real-server.ts';
import { wordList } from './word-list.ts';

type Transport = SsoDomain['transport'];

export const authTypes = ['ldap-starttls', 'ldap-ldaps', 'ldap-unencrypted'] as const;

export const transports: Readonly<Record<(typeof authTypes)[number], Transport>> = {
  'ldap-starttls': 'starttls',
  'ldap-ldaps': 'ldaps',
  'ldap-unencrypted': 'ldap'
};

export const logonFormats = {
  principalname: 'principal',
  username: 'username',
  'not specified': 'as-typed'
} as const satisfies Record<string, LogonFormat>;

const ldapAlone = never('directories are asked by LDAP alone');
const foreignTypes = Object.fromEntries(
  [
    'radius',
    'rsa-securid',
    'kcd',
    'certificates',
    'saml',
    'oidc-oauth',
    ...authTypes.flatMap((type) => [`radius and ${type}`, `rsa-securid and ${type}`])
  ].map((type) => [type, ldapAlone])
);

const serversMax = 16;

const logonFormat = choice<keyof typeof logonFormats>(
  ['principalname', 'username', 'not specified'],
  {
    'principal name': 'principalname',
    principal: 'principalname',
    'not%20specified': 'not specified'
  },
  { 'username only': never('it is for RADIUS; use username or not specified') }
);

const sessionTime = integer(60, 604_800, 'seconds');
const lockTime = integer(60, 86_400, 'seconds');

export const ssoDomainVocabulary = {
  name: parameter(
    form(
      'a name of 1 to 64 characters, without blanks at its ends',
      64,
      /^[^\s/](?:[^\p{Cc}/]*[^\s/])?$/u
    ),
    '-',
    'how `domain` of a service calls it, without regard to case'
  ),
  authType: parameter(
    choice<(typeof authTypes)[number]>(
      authTypes,
      { ldap: 'ldap-unencrypted', ldaps: 'ldap-ldaps' },
      foreignTypes
    ),
    'ldap-starttls',
    'how the servers are spoken to; passwords go there',
    ['auth_type']
  ),
  server: parameter(
    wordList(
      'servers',
      'a host name or address, with or without a port, and authType: ldap-ldaps in place of ldaps://',
      parseEndpoint,
      serversMax
    ),
    '-',
    'asked in this order: the next one where one cannot be reached; port 389, with ldap-ldaps 636'
  ),
  serverCertVerify: parameter(
    boolean,
    true,
    "the servers' certificates must be good, and made out for the names in server"
  ),
  caFile: parameter(filePath, "Node's authorities", 'PEM of the authorities that vouch for them'),
  timeout: parameter(integer(5, 60, 'seconds'), 5, 'how long one question to one server may take'),
  logonDomain: parameter(
    form('a domain without blanks, @, / or \\', 255, /^[^\s@\\/]+$/),
    'the name',
    'stands beside names that came without a domain',
    ['logon_domain']
  ),
  logonFormat: parameter(
    logonFormat,
    'principalname',
    'how such names are given to the directory: principalname = name@domain, username = ' +
      'domain\\name, not specified = as typed',
    ['logon_fmt', 'logonFmt']
  ),
  logonFormat2: parameter(logonFormat, 'principalname', 'the same, to the real servers', [
    'logon_fmt2',
    'logonFmt2'
  ]),
  baseDn: parameter(
    text(1024, 'a distinguished name'),
    "the directory's own",
    'below it users and groups are looked for'
  ),
  maxFailedAuths: parameter(
    integer(0, 999),
    10,
    'wrong passwords in a row that block a user here; less than the directory allows; 0 = never',
    ['max_failed_auths']
  ),
  resetFailTout: parameter(lockTime, 60, 'wrong passwords are forgotten this long after the last', [
    'reset_fail_tout'
  ]),
  unblockTout: parameter(lockTime, 1800, 'how long a user is blocked', ['unblock_tout']),
  sessToutType: parameter(
    choice(['idle time', 'max duration'], {
      'idle%20time': 'idle time',
      idle: 'idle time',
      'max%20duration': 'max duration'
    }),
    'idle time',
    'whether silence ends a session; its duration always does',
    ['sess_tout_type']
  ),
  sessToutIdlePub: parameter(sessionTime, 900, 'silence, on a public computer', [
    'sess_tout_idle_pub'
  ]),
  sessToutDurationPub: parameter(sessionTime, 1800, 'duration, on a public computer', [
    'sess_tout_duration_pub'
  ]),
  sessToutIdlePriv: parameter(sessionTime, 900, 'silence, on a private computer', [
    'sess_tout_idle_priv'
  ]),
  sessToutDurationPriv: parameter(sessionTime, 28_800, 'duration, on a private computer', [
    'sess_tout_duration_priv'
  ]),
  vinterval: parameter(
    integer(10, 86_400, 'seconds'),
    60,
    'how long a name and password that were right are not asked about again (`inputAuthMode: basic`)'
  ),
  testUser: parameter(
    text(255, 'a name'),
    'none: a server must only answer',
    'the servers are checked by signing in as this user'
  ),
  testPassFile: parameter(filePath, '-', 'a file with his password'),

  testPass: parameter(
    refused(never('no password belongs in this file; use testPassFile')),
    '-',
    '',
    ['testPassword']
  ),
  ...all(ldapAlone, [
    'server2',
    'radiusSharedSecret',
    'radiusSendNasId',
    'radiusNasId',
    'kerberosDomain',
    'kerberosKdc',
    'kcdUsername',
    'kcdPassword',
    'certCheckAsi',
    'certCheckCn',
    'idpEntityId',
    'idpSsoUrl',
    'idpLogoffUrl',
    'idpCert',
    'spEntityId',
    'oidcAppId',
    'oidcAuthEpUrl',
    'oidcTokenEpUrl',
    'oidcSecret'
  ]),
  ...all(never('the servers are named in server'), ['ldapEndpoint']),
  ...all(never('servers are checked as testUser; use testUser and testPassFile'), [
    'adminUser',
    'adminPass'
  ]),
  ...all(never('referrals are not followed'), ['referralCount']),
  ...all(never('names and passwords are UTF-8'), ['logonTranscode']),
  ...all(never('the directory is asked at every login'), ['userAccControl'])
};

function all<K extends string>(refusal: Refusal, keys: readonly K[]) {
  const kind = refused(refusal);
  const entries = keys.map((key) => [key, parameter(kind, '-', '', underscored(key))] as const);
  // Object.fromEntries forgets the names of the keys.
  return Object.fromEntries(entries) as Record<K, Parameter<never>>;
}

function underscored(key: string): string[] {
  const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return name === key ? [] : [name];
}
