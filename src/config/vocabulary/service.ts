// `virtualServices:` and their `subVSs:`.

import { healthChecks, type CheckName } from '../../health-check/registry.ts';
import { schedulers, type SchedulerName } from '../../scheduler/registry.ts';
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
  type Refusal
} from '../kind.ts';
import { parameter, section } from '../section.ts';
import { checkParameters } from './check.ts';
import { espVocabulary, recipientVocabulary } from './esp.ts';
import { laterInBoth, laterInVirtualService } from './later.ts';
import { mailVocabulary } from './mail.ts';
import { address, port, referredName, serviceName } from './names.ts';
import { persistenceVocabulary } from './persistence.ts';
import { realServers, serverHost } from './real-server.ts';
import { tlsVocabulary } from './tls.ts';
import { transparency } from './global.ts';

const foreignSchedulers = words(
  ['adaptive', 'dl', 'sdn-adaptive', 'uhash'],
  never('it needs measurements that Ballast does not make')
);
const foreignChecks = words(
  ['icmp', 'nntp', 'ftp', 'telnet', 'rdp', 'bdata', 'ldap', 'dns'],
  never('there is no such health check in Ballast')
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
    choice<SchedulerName>(keysOf(schedulers), {}, foreignSchedulers),
    'rr',
    'guide 5.1; wrr, wlc and fixed go by weight, sh by the address of the client'
  ),
  ...persistenceVocabulary,
  idleTime: parameter(
    integer(0, 86_400, 'seconds'),
    660,
    'guide 5.1; longest silence in both directions; 0 = 660'
  ),
  checkType: parameter(
    choice<CheckName>(keysOf(healthChecks), { imap4: 'imap', pop: 'pop3' }, foreignChecks),
    "by the servers' port",
    'guide 5.1; 80 http, 443 https, 25, 465 and 587 smtp, 110 and 995 pop3, 143 and 993 imap, else tcp'
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
  ...checkParameters,
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
  standbyAddr: parameter(
    serverHost,
    '-',
    'sorry server: gets all requests while no real server can be used, and is never checked'
  ),
  standbyPort: parameter(port, "the real servers' usual port", 'of standbyAddr'),
  nonLocalSorryServer: parameter(boolean, true, 'no effect: every server may be remote'),

  prot: parameter(choice(['tcp'], {}, words(['udp'], never('Exchange needs no UDP'))), 'tcp', ''),
  forceL7: parameter(only(boolean, [true], never('everything is layer 7')), true, ''),
  forceL4: parameter(only(boolean, [false], never('everything is layer 7')), false, ''),
  transparent: parameter(only(boolean, [false], never(transparency())), false, ''),
  preProcessRules: parameter(
    list(located(referredName), 'names of rules'),
    '-',
    'of type matchContent; asked in their order before a SubVS is chosen, those of a SubVS behind that: they set flags, or refuse',
    ['preProcRules']
  ),
  requestRules: parameter(
    list(located(referredName), 'names of rules'),
    '-',
    'of types addHeader, deleteHeader, replaceHeader and modifyUrl; change requests in their order, those of the service first'
  ),
  responseRules: parameter(
    list(located(referredName), 'names of rules'),
    '-',
    'of types addHeader, deleteHeader and replaceHeader; change answers in their order, those of the SubVS first'
  ),
  ...espVocabulary,
  ...laterInBoth
};

export const subVSVocabulary = {
  ...common,
  rules: parameter(
    list(located(referredName), 'names of rules'),
    '-',
    'guide 4.1; the SubVS is chosen when one matches; `default` matches what no other rule did',
    ['matchRules']
  ),
  port: parameter(integer(0, 65_535), '-', 'no effect: a SubVS has no port (guide 5.1 lists one)'),
  vsType: parameter(
    only(
      choice(['http', 'gen', 'tls'], { starttls: 'tls' }),
      ['http'],
      never('a SubVS is chosen by what a request asks for')
    ),
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
      ['http', 'gen', 'tls'],
      { starttls: 'tls' },
      {
        ...words(['http2'], later('HTTP/2 comes')),
        ...words(['ts', 'log'], never('Ballast is made for Exchange'))
      }
    ),
    'by the port',
    'guide 5.1; gen relays bytes, tls mail with STARTTLS (guide: StartTLS); gen on the ports 25, ' +
      '110, 143, 465, 587, 993 and 995, else http'
  ),
  subnetOriginating: parameter(
    boolean,
    'as global',
    'guide 2.2; connect to servers from an address of their subnet'
  ),
  ...tlsVocabulary,
  ...mailVocabulary,
  ...recipientVocabulary,
  checkTLS: parameter(
    boolean,
    'by the port that is checked',
    'an imap, pop3 or smtp check begins with TLS; on the ports 465, 993 and 995 it does'
  ),
  subVSs: parameter(
    list(section('a SubVS', subVSVocabulary), 'SubVSs'),
    '-',
    'guide 4.1; in order of precedence'
  ),
  ...laterInVirtualService
};

function redirectPort(): Kind<number | false> {
  return word(`${port.says}, or false for no redirector`, (raw) => {
    if (/^(?:false|no|n|off)$/i.test(raw)) return false;
    return /^[1-9][0-9]{0,4}$/.test(raw) && Number(raw) <= 65_535 ? Number(raw) : undefined;
  });
}

function words(names: readonly string[], refusal: Refusal): Record<string, Refusal> {
  return Object.fromEntries(names.map((name) => [name, refusal]));
}

function keysOf<T extends object>(registry: T): (keyof T & string)[] {
  // A registry is a literal: it has no keys but those of its type.
  return Object.keys(registry) as (keyof T & string)[];
}
