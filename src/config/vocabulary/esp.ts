// The Edge Security Pack: who gets into a virtual service or SubVS, and as whom (guide 4.2.2, 5.1).

import { domainToASCII } from 'node:url';
import { boolean, choice, integer, never, text, word, type Kind, type Refusal } from '../kind.ts';
import type { EspSettings } from '../model.ts';
import { decodePercent } from '../percent.ts';
import { quote } from '../problem.ts';
import { parameter } from '../section.ts';
import { wordList } from './word-list.ts';

type ClientMode = EspSettings['clientMode'];
type ServerMode = EspSettings['serverMode'];

const certificates = never('nobody is signed in by his certificate; clientCert asks for one');
const ntlm = never('NTLM is between clients and servers; use 0, which lets it through');
const foreignSso = never('directories are asked by LDAP alone');
const passPost = never('it is made for Citrix');
const kerberos = never('Ballast gets no tickets in the name of others');

const clientModes: Readonly<Record<string, Refusal>> = {
  ...refusals(['4', 'client certificate', 'certificate'], certificates),
  ...refusals(['5', 'ntlm', 'ntlm-proxy'], ntlm),
  ...refusals(['6', 'saml', '8', 'oidc', 'oidc / oauth', 'oauth'], foreignSso),
  ...refusals(['7', 'pass post'], passPost)
};
const serverModes: Readonly<Record<string, Refusal>> = {
  ...refusals(['3', 'kcd'], kerberos),
  ...refusals(['4', 'server token'], never('it belongs to SAML, which Ballast does not speak'))
};

/** Longest of what the LoadMaster keeps in one field. */
const textMax = 255;
const groupsMax = 250;

const path = 'beginning with / and without a query, % or semicolon, such as /owa*';

/** In a virtual service and in each SubVS. */
export const espVocabulary = {
  espEnabled: parameter(
    boolean,
    false,
    'guide 5.1; nobody gets in but by what follows; see [Pre-authentication](#pre-authentication)',
    ['enableESP']
  ),
  espLogs: parameter(
    integer(0, 7),
    '7, for mail 4',
    'guide 5.1; sum of 1 = who signed in and out and what he asked for, 2 = who was refused, 4 = ' +
      'connections; 0 or 4 for mail, where refusals are always logged',
    ['espLog']
  ),
  inputAuthMode: parameter(
    choice<ClientMode>(
      ['delegate', 'basic', 'form'],
      {
        0: 'delegate',
        1: 'basic',
        2: 'form',
        'delegate to server': 'delegate',
        'basic authentication': 'basic',
        'form based': 'form'
      },
      clientModes
    ),
    'delegate',
    'guide 5.1; how a client shows who he is: 0 delegate = the server asks him, 1 basic, 2 form'
  ),
  outputAuthMode: parameter(
    choice<ServerMode>(
      ['none', 'basic', 'form'],
      {
        0: 'none',
        1: 'basic',
        2: 'form',
        'basic authentication': 'basic',
        'form based': 'form'
      },
      serverModes
    ),
    'none, basic or form, as inputAuthMode',
    'guide 5.1; what the server is shown: 0 none, 1 basic, 2 form = the login of OWA is filled in'
  ),
  allowedHosts: parameter(
    wordList(
      'host names',
      'without https:// or a port, such as mail.example.com, where * is anything but a dot',
      hostPattern
    ),
    'none: nobody gets in',
    'guide 4.2.2; the names that clients may ask for',
    ['allowedVirtualHosts']
  ),
  allowedDirectories: parameter(
    wordList('paths', path, pathPattern),
    'none: nobody gets in',
    'guide 5.1; what clients may ask for; * is anything, else the path and all below it'
  ),
  excludedDirectories: parameter(
    wordList('paths', path, pathPattern),
    'none',
    'guide 4.2.2; of the allowed ones those to which everybody gets through, unasked',
    ['excludeDirectories', 'pre-authorizationExcludedDirectories']
  ),
  domain: parameter(
    text(64, 'the name of an SSO domain'),
    'the only one under ssoDomains',
    'who is asked about names and passwords'
  ),
  allowedGroups: parameter(
    wordList(
      'names of groups',
      'as the directory has it, without the rest of its DN',
      groupName,
      groupsMax,
      'semicolons'
    ),
    'none: everybody whom the directory knows',
    'who gets in must be in one of them'
  ),
  includeNestedGroups: parameter(boolean, false, 'members of groups in those groups count too'),
  singleSignOnMessage: parameter(
    greeting(),
    '-',
    'guide 4.2.2; stands above the form, with its line breaks; grave accents are dropped',
    ['singleSignInMessage', 'ssoGreetingMessage']
  ),
  logoff: parameter(
    wordList('paths', 'beginning with / and without * or a query', exactPath),
    'none',
    'guide 4.2.2; asking for one of them ends the session; /owa/logoff.owa for OWA',
    ['logoffString']
  ),
  displayPubPriv: parameter(
    boolean,
    true,
    'the form asks whether the computer is public; off = it is'
  ),
  userPwdChangeUrl: parameter(
    word('an https:// URL or a path, without blanks', passwordUrl),
    '-',
    'guide 4.2.2; where who has an expired password is sent; list its path in excludedDirectories',
    ['userPasswordForm']
  ),
  userPwdChangeMsg: parameter(text(textMax, 'text', true), '-', 'what he is told there'),
  serverFbaPath: parameter(
    word('a path that begins with /', exactPath),
    '/owa/auth.owa',
    'for `outputAuthMode: form`: where the server takes its login'
  ),
  serverFbaPost: parameter(
    word('a body with %s three times: for the wanted URL, the name and the password', loginBody),
    "Exchange's",
    'what is sent there, as it stands or in base64'
  ),
  serverFbaUsernameOnly: parameter(boolean, false, 'the name goes there without its domain')
};

/** In a virtual service alone: SubVSs serve HTTP. */
export const recipientVocabulary = {
  smtpAllowedDomains: parameter(
    wordList('domains', 'such as example.com, where * is anything', domainPattern),
    'none: no mail is taken',
    'guide 4.9; for SMTP with espEnabled: mail is taken for recipients there',
    ['smtpAllow', 'smtppAllow', 'permittedDomains', 'permittedSMTPDomain']
  )
};

function refusals(words: readonly string[], refusal: Refusal): Record<string, Refusal> {
  return Object.fromEntries(words.map((each) => [each, refusal]));
}

function hostPattern(raw: string): string | undefined {
  const host = toAscii(raw);
  if (/^\[[0-9a-f:.]+\]$/.test(host)) return host;
  if (host === '*') return host;
  const labels = host.split('.');
  const good = labels.every((label) => /^[a-z0-9_*](?:[a-z0-9_*-]{0,61}[a-z0-9_*])?$/.test(label));
  return good && host.length <= 253 && labels.at(-1)?.includes('*') === false ? host : undefined;
}

/** Case-blind, as IIS is. A lone * is every path. */
function pathPattern(raw: string): string | undefined {
  const pattern = raw === '*' ? '/*' : raw.toLowerCase();
  return isPath(pattern) ? pattern : undefined;
}

function exactPath(raw: string): string | undefined {
  const path = decodePercent(raw).trim().toLowerCase();
  return isPath(path) && !path.includes('*') ? path : undefined;
}

/** What can stand in a path that has one reading alone: others are refused before they get here. */
function isPath(path: string): boolean {
  return (
    /^\/[a-z0-9\-._~!$&*+,=:@/]*$/.test(path) &&
    !path.includes('//') &&
    path.length <= 1024 &&
    path.split('/').every((segment) => segment !== '.' && segment !== '..')
  );
}

function domainPattern(raw: string): string | undefined {
  const domain = toAscii(raw.replace(/^@/, ''));
  const good = domain
    .split('.')
    .every((label) => /^[a-z0-9_*](?:[a-z0-9_*-]*[a-z0-9_*])?$/.test(label));
  return good && domain.length <= 253 ? domain : undefined;
}

function toAscii(raw: string): string {
  const name = raw.toLowerCase().replace(/\.$/, '');
  return /\P{ASCII}/u.test(name) ? domainToASCII(name) : name;
}

function groupName(raw: string): string | undefined {
  const isDn = /(?:^|,)\s*(?:cn|ou|dc)\s*=/i.test(raw);
  return isDn || /\p{Cc}/u.test(raw) || raw.length > textMax ? undefined : raw;
}

/** In clear a new password would be anybody's. */
function passwordUrl(raw: string): string | undefined {
  const url = decodePercent(raw).trim();
  if (!/^(?:https:\/\/[^/<>"\\?#]+)?\/[!-~]*$/i.test(url) || /[<>"\\]/.test(url)) return undefined;
  if (url.startsWith('//') || url.length > 2048) return undefined;
  return URL.canParse(url, 'https://host') ? url : undefined;
}

/** The API has it in base64. */
function loginBody(raw: string): string | undefined {
  const plain = decodePercent(raw).trim();
  const body = plain.includes('%s') ? plain : Buffer.from(plain, 'base64').toString('latin1');
  const rest = body.replaceAll(/%(?:s|[0-9a-f]{2})/gi, '');
  const slots = body.match(/%s/g)?.length ?? 0;
  return slots === 3 && /^[!-$&-~]*$/.test(rest) && body.length <= 2048 ? body : undefined;
}

/** The guide promises HTML. The page shows what stands here as text, tags and all. */
function greeting(): Kind<string> {
  const plain = text(textMax, 'text without HTML', true);
  return {
    says: plain.says,
    read(node, at) {
      const value = plain.read(node, at)?.replaceAll('`', '');
      const markup = /<\/?[a-z][a-z0-9]*(?:\s[^<>]*)?\/?>|&(?:[a-z]{2,}|#\d+);/i.exec(value ?? '');
      if (markup === null) return value;
      const message = `${quote(markup[0])} would be shown as it stands; use plain text`;
      at.report(node.place, at.path, `${message}, whose line breaks are kept`);
      return undefined;
    }
  };
}
