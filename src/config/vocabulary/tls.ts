// TLS parameters of a virtual service, towards its clients and towards its servers.

import { cipherSetNames, tls13Ciphers } from '../../tls/cipher-sets.ts';
import { boolean, choice, integer, list, located, never, only, word } from '../kind.ts';
import type { Kind, Located } from '../kind.ts';
import { parameter } from '../section.ts';
import { filePath, hostName, referredName } from './names.ts';

const noRewrite = never('it would lead clients out of TLS');

export const tlsVocabulary = {
  sslAcceleration: parameter(boolean, false, 'guide 5.1; end TLS here'),
  certificates: parameter(
    names('certificates', ' '),
    'a self-signed one',
    'guide 4.1.1; chosen by SNI, the first for all else; of an RSA and an ECDSA one for a name, ' +
      'clients that can get ECDSA',
    ['certFile']
  ),
  intermediateCerts: parameter(
    names('certificates without a key', '+'),
    'all in the file',
    'those that may complete the chains of this service'
  ),
  needHostName: parameter(
    boolean,
    false,
    'refuse clients that send no SNI, or a name that no certificate has'
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
      { null_ciphers: never('it gives no protection') }
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
  tls13CipherSet: parameter(
    word(`some of ${tls13Ciphers.join(', ')}, joined by ":" or blanks`, readTls13Ciphers),
    "OpenSSL's three",
    'for TLS 1.3, in order of preference'
  ),
  ocspStapling: parameter(
    boolean,
    false,
    'fetch OCSP responses for the certificates and send them along'
  ),
  clientCert: parameter(
    only(
      integer(0, 6),
      [0, 1, 2, 3, 4],
      never('a field has one line and PEM has many; 3 and 4 say the same in base64')
    ),
    0,
    'certificates of clients: 0 none, 1 needed, 2 the same with `X-SSL-ClientSubject`, ' +
      '`X-SSL-ClientIssuer` and `X-SSL-ClientSerialid` for the servers, 3 and 4 with the whole ' +
      'certificate (DER in base64) as `SSL-CLIENT-CERT` or `X-CLIENT-CERT`'
  ),
  clientCAFile: parameter(filePath, '-', 'PEM of the authorities of these certificates'),
  passCipher: parameter(
    boolean,
    false,
    'tell the servers `X-SSL-Cipher`, `X-SSL-Protocol`, `X-SSL-Serialid`, `X-SSL-ClientSerialid` ' +
      'and `X-SSL-SNIHost`'
  ),
  securityHeaderOptions: parameter(
    word('0, 1, 2, 4 or 6', (raw) => (/^[01246]$/.test(raw) ? Number(raw) : undefined)),
    0,
    'Strict-Transport-Security of a year in answers that bring none: 1 plain, 2 with ' +
      'includeSubDomains, 4 with preload, 6 with both'
  ),
  sslRewrite: parameter(
    choice(['none', 'https'], { 0: 'none', 2: 'https' }, { 1: noRewrite, http: noRewrite }),
    'none',
    'https makes https:// of http:// in a Location that leads back to the host that was asked for'
  ),
  reverseSNIHostname: parameter(hostName, '-', 'SNI to the servers, and the name to be verified'),
  passSni: parameter(
    boolean,
    false,
    "SNI to the servers is the client's, where it sent one; it is not what is verified"
  ),
  sslForceServerVerify: parameter(
    boolean,
    false,
    "verify the servers' certificates: for reverseSNIHostname, else for the server's host name " +
      'as realServers gives it, else for its address'
  ),
  serverCAFile: parameter(filePath, "Node's", 'PEM of the authorities to verify with')
};

/** A list, or names on one line as the LoadMaster gives them. */
function names(what: string, separator: string): Kind<readonly Located<string>[]> {
  const several = list(located(referredName), `names of ${what}`);
  return {
    says: `a list of names of ${what}`,
    read: (node, at) =>
      node.kind === 'scalar' && node.value !== null
        ? node.source
            .split(separator)
            .filter((name) => name !== '')
            .map((value) => ({ value, place: node.place, path: at.path }))
        : several.read(node, at)
  };
}

function readTls13Ciphers(raw: string): readonly string[] | undefined {
  const chosen = raw.toUpperCase().split(/[:, ]+/);
  return chosen.every((name) => tls13Ciphers.includes(name)) ? chosen : undefined;
}

function lowerCase(spellings: readonly string[]): Record<string, string> {
  return Object.fromEntries(spellings.map((name) => [name.toLowerCase(), name]));
}
