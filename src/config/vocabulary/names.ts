// Kinds that several sections share.

import { parseAddress } from '../../net/address.ts';
import { integer, text, word, type Kind } from '../kind.ts';

export const port = integer(1, 65535);

/** Names of services and SubVSs become parts of ids and log lines: one line, no slash. */
export const serviceName: Kind<string> = tidy('a name');

/** Names of rules and certificates, which lists refer to. */
export const referredName: Kind<string> = tidy('a name');

export const address: Kind<string> = word('an IP address such as 192.0.2.10', parseAddress);

/** A host name as DNS has them. One that reads as a number would be an address to some resolvers. */
export const hostName: Kind<string> = word('a host name', (raw) =>
  isHostName(raw) ? raw.toLowerCase() : undefined
);

export function isHostName(raw: string): boolean {
  if (raw.length > 253) return false;
  const labels = raw.replace(/\.$/, '').split('.');
  const last = labels.at(-1) ?? '';
  return (
    labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)) &&
    !/^(?:[0-9]+|0x[0-9a-f]*)$/i.test(last)
  );
}

/** A path to a file, relative to the configuration file. */
export const filePath: Kind<string> = word('the path of a file', (raw) =>
  raw === '' || raw.includes('\0') ? undefined : raw
);

function tidy(what: string): Kind<string> {
  const plain = text(127, what);
  const says = `${what} of 1 to 127 characters without "/"`;
  return {
    says,
    read(node, at) {
      const raw = plain.read(node, at);
      if (raw === undefined) return undefined;
      const name = raw.trim().replaceAll(/\s+/g, ' ');
      if (name !== '' && !name.includes('/')) return name;
      at.report(node.place, at.path, `${JSON.stringify(raw)} is not right; use ${says}`);
      return undefined;
    }
  };
}
