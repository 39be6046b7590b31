// Real servers: `10.0.0.11`, `10.0.0.11:80`, `'[2001:db8::12]:80'`, `ex01.corp.example:443`, or a map.

import { parseAddress, splitEndpoint } from '../../net/address.ts';
import { boolean, choice, integer, later, list, never, only, word, type Kind } from '../kind.ts';
import { type Place } from '../problem.ts';
import { parameter, section } from '../section.ts';
import { isHostName, port, serviceName } from './names.ts';

export interface ServerEntry {
  readonly place: Place;
  readonly path: string;
  /** Canonical IP address, or a host name yet to be resolved. */
  readonly host: string;
  readonly isHostName: boolean;
  /** Undefined = the port of the template or of the service. */
  readonly port: number | undefined;
  readonly name: string | undefined;
  readonly weight: number;
  readonly limit: number;
  readonly enable: boolean;
  readonly critical: boolean;
}

export const serverHost: Kind<string> = word('an IP address or host name', parseHost);

export const realServerVocabulary = {
  address: parameter(serverHost, '-', 'guide 4.1.2; a host name is resolved at every load', [
    'rs',
    'addr',
    'dnsName'
  ]),
  port: parameter(port, '-', "else the template's server port, else the service's port", [
    'rsPort',
    'newPort'
  ]),
  weight: parameter(integer(1, 65_535), 1000, 'for schedulers that weigh'),
  limit: parameter(integer(0, 100_000), 0, 'most connections at a time; 0 = no limit'),
  enable: parameter(boolean, true, 'false takes it out of service'),
  name: parameter(serviceName, '-', 'else the address and port'),
  critical: parameter(
    boolean,
    false,
    'with enhancedHealthChecks: its service is down while this server is down or disabled'
  ),

  forward: parameter(only(choice(['nat', 'route']), ['nat'], never('that is layer 4')), 'nat', ''),
  rateLimit: parameter(only(integer(0, 100_000), [0], later('rate limits come')), 0, ''),
  follow: parameter(
    only(integer(0, 65_535), [0], never('a server cannot follow another one')),
    0,
    ''
  ),
  nonLocal: parameter(boolean, true, 'no effect: every server may be remote', ['non_local']),
  addToAllSubVSs: parameter(
    only(boolean, [false], never('servers of the service itself reach every SubVS')),
    false,
    ''
  )
};

const asMap = section('a real server', realServerVocabulary);

const says = 'an address, an address with a port such as 10.0.0.11:80, or a map';

const one: Kind<ServerEntry> = {
  says,
  read(node, at) {
    const blank = { place: node.place, path: at.path, name: undefined };
    if (node.kind === 'scalar' && node.value !== null) {
      const endpoint = parseEndpoint(node.source);
      if (endpoint !== undefined) {
        return { ...blank, ...endpoint, weight: 1000, limit: 0, enable: true, critical: false };
      }
    }
    if (node.kind !== 'map') {
      const shown = node.kind === 'list' ? 'a list' : JSON.stringify(node.source.slice(0, 60));
      at.report(node.place, at.path, `${shown} is no real server; use ${says}`);
      return undefined;
    }
    const settings = asMap.read(node, at)?.settings ?? {};
    if (settings.address === undefined) {
      at.report(node.place, at.path, 'there is no address; add address with an IP address');
    }
    const found = settings.address?.value;
    if (found === undefined) return undefined;
    return {
      ...blank,
      host: found,
      isHostName: parseAddress(found) === undefined,
      port: settings.port?.value,
      name: settings.name?.value,
      weight: settings.weight?.value ?? 1000,
      limit: settings.limit?.value ?? 0,
      enable: settings.enable?.value ?? true,
      critical: settings.critical?.value ?? false
    };
  }
};

export const realServers: Kind<readonly ServerEntry[]> = list(one, 'real servers, [] for none');

type Endpoint = Pick<ServerEntry, 'host' | 'isHostName' | 'port'>;

/** A host with or without a port, as one word. */
export function parseEndpoint(text: string): Endpoint | undefined {
  // A bare IPv6 address has colons of its own.
  const whole = parseHost(text);
  if (whole !== undefined) return endpointAt(whole, undefined);
  const { host: hostText, port: portText } = splitEndpoint(text);
  const found = parseHost(hostText);
  if (found === undefined || (text.startsWith('[') && !found.includes(':'))) return undefined;
  if (portText === undefined) return endpointAt(found, undefined);
  if (!/^[1-9][0-9]{0,4}$/.test(portText) || Number(portText) > 65_535) return undefined;
  return endpointAt(found, Number(portText));
}

/** Of a host that was read by `serverHost`. */
export function endpointAt(found: string, portNumber: number | undefined): Endpoint {
  return { host: found, isHostName: parseAddress(found) === undefined, port: portNumber };
}

function parseHost(text: string): string | undefined {
  const address = parseAddress(text);
  // Both would be this machine: no server stands behind "every address".
  if (address !== undefined) return address === '0.0.0.0' || address === '::' ? undefined : address;
  return isHostName(text) ? text.toLowerCase() : undefined;
}
