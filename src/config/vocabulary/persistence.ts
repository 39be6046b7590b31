// Persistence of a virtual service or SubVS. The names are the LoadMaster's; the masks are ours.

import { parseNetmask } from '../../net/address.ts';
import { persistences, type PersistenceName } from '../../persistence/registry.ts';
import { boolean, choice, form, integer, never, word, type Refusal } from '../kind.ts';
import { parameter } from '../section.ts';

/** The registry is a literal: it has no keys but those of its type. */
const modes = Object.keys(persistences) as PersistenceName[];

/** RFC 9110 5.6.2: names of cookies and of fields are tokens. */
const token = form(
  "a name of up to 127 letters, digits or any of !#$%&'*+-.^_`|~",
  127,
  /^[!#$%&'*+.^_`|~0-9a-z-]+$/i
);

export const persistenceVocabulary = {
  persist: parameter(
    choice<PersistenceName | 'none'>(['none', ...modes], {}, foreignModes()),
    'none',
    'guide 5.1; see [Persistence](#persistence); src or none where `vsType` is gen or tls'
  ),
  persistTimeout: parameter(
    integer(0, 2_419_200, 'seconds'),
    '-',
    'guide 5.1; rounded down to whole minutes; how long a client is known after its last connection'
  ),
  refreshPersist: parameter(
    boolean,
    false,
    'every request counts, not only new connections; of mail the whole session'
  ),
  cookie: parameter(token, '-', 'name of the cookie; for `persist: header` that of the field'),
  queryTag: parameter(
    form('the name of a query item of up to 127 characters', 127, /^[!-~]+$/),
    '-',
    'for `persist: query-hash`'
  ),
  persistMask: parameter(
    word('a netmask such as 255.255.255.0, or its length from 1 to 32', (text) => {
      return parseNetmask(text) || undefined;
    }),
    32,
    'clients of one IPv4 network are one client'
  ),
  persistMask6: parameter(integer(1, 128), 128, 'the same for IPv6, as the length of the prefix')
};

function foreignModes(): Record<string, Refusal> {
  const hashes = never('cookies change in mid-session; use active-cookie');
  const tls = never('TLS ends here, so there are better keys; use src or active-cookie');
  const foreign = never('Ballast is made for Exchange');
  return {
    'cookie-hash': hashes,
    'cookie-hash-src': hashes,
    ssl: tls,
    rdp: foreign,
    'rdp-src': foreign,
    'rdp-sb': foreign,
    'rdp-sb-src': foreign,
    udpsip: foreign
  };
}
