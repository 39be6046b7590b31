// `virtualServices:` and their `subVSs:`.

import { healthChecks, type CheckName } from '../../health-check/registry.ts';
import { schedulers, type SchedulerName } from '../../scheduler/registry.ts';
import { cipherSetNames } from '../../tls/cipher-sets.ts';
import {
  boolean,
  choice,
  form,
  integer,
  later,
  list,
  located,
  never,
  only,
  text,
  word,
  type Kind,
  type Located,
  type Refusal
} from '../kind.ts';
import { parameter, section } from '../section.ts';
import { laterInBoth, laterInVirtualService } from './later.ts';
import { address, filePath, hostName, port, referredName, serviceName } from './names.ts';
import { realServers } from './real-server.ts';
import { transparency } from './global.ts';

const laterSchedulers = words(['wrr', 'wlc', 'fixed', 'sh'], later('this scheduler comes'));
const foreignSchedulers = words(
  ['adaptive', 'dl', 'sdn-adaptive', 'uhash'],
  never('it needs measurements that Ballast does not make')
);
const persistences = words(
  ['src', 'super-src', 'super', 'active-cookie', 'cookie', 'cookie-src', 'active-cook-src'].concat([
    'cookie-hash',
    'cookie-hash-src',
    'url',
    'query-hash',
    'host',
    'header',
    'ssl'
  ]),
  later('persistence comes')
);
const mailChecks = words(
  ['imap', 'imap4', 'pop', 'pop3', 'smtp'],
  later('checks that speak mail protocols come')
);
const foreignChecks = words(
  ['icmp', 'nntp', 'ftp', 'telnet', 'rdp', 'bdata', 'ldap', 'dns'],
  never('Ballast does not speak it')
);
const checkHost = form(
  'a host name or address, with or without a port',
  260,
  /^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i
);

/** In a virtual service and in each SubVS. */
const common = {
  name: parameter(serviceName, '-', 'guide 5.1 nickname; else the address and port', ['nickname']),
  enable: parameter(boolean, true, 'false takes it out of service'),
  schedule: parameter(
    choice<SchedulerName>(keysOf(schedulers), {}, { ...laterSchedulers, ...foreignSchedulers }),
    'rr',
    'guide 5.1'
  ),
  persist: parameter(choice(['none'], {}, persistences), 'none', 'guide 5.1'),
  idleTime: parameter(
    integer(0, 86_400, 'seconds'),
    660,
    'guide 5.1; longest silence in both directions; 0 = 660'
  ),
  checkType: parameter(
    choice<CheckName>(keysOf(healthChecks), {}, { ...mailChecks, ...foreignChecks }),
    "by the servers' port",
    'guide 5.1; 80 http, 443 https, else tcp'
  ),
  checkPort: parameter(integer(0, 65_535), 0, "guide 5.1; 0 = the server's own port"),
  checkUrl: parameter(
    form('a path of up to 127 characters that begins with "/"', 127, /^\/[!-~]*$/),
    '/',
    'guide 5.1'
  ),
  'checkUse1.1': parameter(boolean, false, 'guide 5.1 Checkversion; HTTP/1.1 with a Host field', [
    'checkVersion',
    'checkUse11'
  ]),
  checkUseGet: parameter(
    only(integer(0, 3), [0, 1], later('checks with POST and OPTIONS come')),
    0,
    'guide 5.1; 0 = HEAD, 1 = GET'
  ),
  checkHost: parameter(checkHost, "the server's address", 'Host field under HTTP/1.1, and SNI'),
  chkInterval: parameter(integer(0, 901, 'seconds'), 0, '0 = global checkInterval'),
  chkTimeout: parameter(integer(0, 60, 'seconds'), 0, '0 = global checkTimeout'),
  chkRetryCount: parameter(integer(0, 15), 0, '0 = global checkRetries'),
  errorCode: parameter(
    integer(0, 505),
    0,
    'guide 5.1; 301, 302, 303, 307, 308 with a target, other codes from 200 with a text; 0 = none'
  ),
  errorUrl: parameter(
    text(1024, 'a target or text', true),
    '-',
    'guide 5.1; in a target %h is the host, %s the path and query that were asked for'
  ),
  realServers: parameter(realServers, '-', 'guide 4.1.2; of a service: for its SubVSs without any'),

  prot: parameter(choice(['tcp'], {}, words(['udp'], never('Exchange needs no UDP'))), 'tcp', ''),
  forceL7: parameter(only(boolean, [true], never('everything is layer 7')), true, ''),
  forceL4: parameter(only(boolean, [false], never('everything is layer 7')), false, ''),
  transparent: parameter(only(boolean, [false], never(transparency())), false, ''),
  ...laterInBoth
};

export const subVSVocabulary = {
  ...common,
  rules: parameter(
    list(located(referredName), 'names of rules'),
    '-',
    'guide 4.1; the SubVS is chosen when one matches; `default` matches what no other rule did'
  ),
  port: parameter(integer(0, 65_535), '-', 'no effect: a SubVS has no port (guide 5.1 lists one)'),
  vsType: parameter(
    only(choice(['http', 'gen', 'tls']), ['http'], later('mail comes')),
    'http',
    ''
  ),
  subnetOriginating: parameter(
    only(boolean, [true], never('the service decides for its SubVSs')),
    true,
    'guide 5.1; as the service has it'
  )
};

export const virtualServiceVocabulary = {
  ...common,
  template: parameter(text(127, 'the name of a template'), '-', 'guide 3; `templates` lists them'),
  address: parameter(address, '0.0.0.0', 'guide 4.1; 0.0.0.0 and :: stand for all of the machine', [
    'vs',
    'vsAddress'
  ]),
  port: parameter(port, '-', "guide 5.1; the template's where there is one", ['vsPort']),
  redirectPort: parameter(
    redirectPort(),
    "the template's",
    "port of the template's redirector; false = no redirector"
  ),
  vsType: parameter(
    choice(
      ['http'],
      {},
      {
        ...words(['gen', 'tls', 'starttls'], later('mail comes')),
        ...words(['http2'], later('HTTP/2 comes')),
        ...words(['ts', 'log'], never('Ballast is made for Exchange'))
      }
    ),
    'http',
    'guide 5.1'
  ),
  subnetOriginating: parameter(
    boolean,
    'as global',
    'guide 2.2; connect to servers from an address of their subnet'
  ),
  sslAcceleration: parameter(boolean, false, 'guide 5.1; end TLS here'),
  certificates: parameter(
    certificateNames(),
    'a self-signed one',
    'guide 4.1.1; chosen by SNI, the first for all else',
    ['certFile']
  ),
  sslReencrypt: parameter(boolean, false, 'guide 5.1; TLS to the servers'),
  tlsType: parameter(
    integer(0, 30),
    3,
    'guide 5.1; switched off: 1 SSLv3, 2 TLS 1.0, 4 TLS 1.1, 8 TLS 1.2, 16 TLS 1.3, summed up'
  ),
  cipherSet: parameter(
    choice(
      [...cipherSetNames],
      { bestpractice: 'BestPractices', ...lowerCase(cipherSetNames) },
      words(['null_ciphers'], never('it gives no protection'))
    ),
    'BestPractices',
    'guide 5.1'
  ),
  ciphers: parameter(
    word('OpenSSL cipher names joined by ":"', (raw) =>
      /^[a-z0-9_-]+(?::[a-z0-9_-]+)*$/i.test(raw) ? raw.split(':') : undefined
    ),
    '-',
    'in order of preference, in place of cipherSet'
  ),
  reverseSNIHostname: parameter(hostName, '-', 'SNI to the servers, and the name to be verified'),
  sslForceServerVerify: parameter(boolean, false, "verify the servers' certificates"),
  serverCAFile: parameter(filePath, "Node's", 'PEM of the authorities to verify with'),
  subVSs: parameter(
    list(section('a SubVS', subVSVocabulary), 'SubVSs'),
    '-',
    'guide 4.1; in order of precedence'
  ),
  ...laterInVirtualService
};

function certificateNames(): Kind<readonly Located<string>[]> {
  const several = list(located(referredName), 'names of certificates');
  return {
    says: 'a list of names of certificates',
    read: (node, at) =>
      // The LoadMaster gives CertFile as names with blanks between.
      node.kind === 'scalar' && node.value !== null
        ? node.source
            .split(' ')
            .filter((name) => name !== '')
            .map((value) => ({ value, place: node.place, path: at.path }))
        : several.read(node, at)
  };
}

function redirectPort(): Kind<number | false> {
  return word(`${port.says}, or false for no redirector`, (raw) => {
    if (/^(?:false|no|n|off)$/i.test(raw)) return false;
    return /^[1-9][0-9]{0,4}$/.test(raw) && Number(raw) <= 65_535 ? Number(raw) : undefined;
  });
}

function words(names: readonly string[], refusal: Refusal): Record<string, Refusal> {
  return Object.fromEntries(names.map((name) => [name, refusal]));
}

function lowerCase(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name.toLowerCase(), name]));
}

function keysOf<T extends object>(registry: T): (keyof T & string)[] {
  // A registry is a literal: it has no keys but those of its type.
  return Object.keys(registry) as (keyof T & string)[];
}
