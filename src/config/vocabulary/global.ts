// `global:` and `admin:`. The LoadMaster's own parameter names are aliases.

import { parseNetwork } from '../../net/address.ts';
import { findUser } from '../user.ts';
import { boolean, choice, integer, list, never, only, word } from '../kind.ts';
import { parameter } from '../section.ts';
import { address, port } from './names.ts';

export const globalVocabulary = {
  workers: parameter(integer(0, 256), 0, 'data-plane processes; 0 = one per CPU'),
  subnetOriginating: parameter(boolean, true, 'guide 2.2; true switches it on in every service', [
    'subnetOrigin'
  ]),
  expect100: parameter(
    choice(['rfc-7231', 'rfc-2616', 'require'], {
      0: 'rfc-2616',
      1: 'require',
      2: 'rfc-7231',
      'rfc-7231 complaint': 'rfc-7231',
      'rfc-7231 compliant': 'rfc-7231',
      'rfc-2616 compliant': 'rfc-2616'
    }),
    'rfc-7231',
    'guide 2.3; 0 = rfc-2616, 1 = require, 2 = rfc-7231',
    ['100-ContinueHandling']
  ),
  additionalL7Header: parameter(
    choice(['none', 'x-forwarded-for', 'x-clientside'], {
      0: 'x-clientside',
      1: 'x-forwarded-for',
      2: 'none'
    }),
    'none',
    'guide 2.4; 0 = x-clientside, 1 = x-forwarded-for, 2 = none',
    ['addForwardHeader']
  ),
  checkInterval: parameter(
    integer(1, 901, 'seconds'),
    9,
    'between two checks of a server; at least checkTimeout x checkRetries + 1',
    ['retryInterval']
  ),
  checkTimeout: parameter(integer(1, 60, 'seconds'), 4, 'how long one try of a check may take'),
  checkRetries: parameter(integer(0, 15), 2, 'further tries before a silent server is down', [
    'retryCount'
  ]),
  dropOnFail: parameter(boolean, false, 'cut the connections of a server that went down'),
  drainTime: parameter(
    integer(0, 86_400, 'seconds'),
    300,
    "how long a disabled server's or a stopping process's connections may go on",
    ['finalPersist']
  ),
  slowStart: parameter(
    integer(0, 600, 'seconds'),
    0,
    'with lc and wlc: how long the share of a server that came up or was added grows; 0 = at once'
  ),
  alwaysPersist: parameter(
    integer(0, 2),
    0,
    'look for a record: 0 = at the first request of a connection to a SubVS, 1 and 2 = at each'
  ),
  trustedProxies: parameter(
    list(word('an address or a network such as 192.0.2.0/24', parseNetwork), 'networks'),
    'none',
    'whose X-Forwarded-For `persist: super-src` believes, and whose PROXY header acceptProxyProtocol'
  ),
  logLevel: parameter(
    choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    'info',
    'the least weight of a log line that is written'
  ),
  accessLog: parameter(
    boolean,
    true,
    'one log line for every request, and for every session of mail'
  ),

  user: parameter(
    word('a user of this machine other than root', findUser),
    'none',
    'who the workers become when Ballast is started by root; they listen below 1024 all the same'
  ),
  dropAtDrainEnd: parameter(
    only(boolean, [true], never('connections always end with the drain time')),
    true,
    ''
  ),
  transparent: parameter(only(boolean, [false], never(transparency())), false, ''),
  nonLocalRS: parameter(only(boolean, [true], never('every server may be remote')), true, '')
};

export const adminVocabulary = {
  address: parameter(address, '127.0.0.1', 'the management listener speaks plain HTTP'),
  port: parameter(port, 8444, 'serves /live, /ready, /metrics, /status and /sessions')
};

export function transparency(): string {
  return "Node cannot send from a client's address";
}
