// Parameters of services that relay bytes, mail above all, and what a service knows of connections
// before anything is said. serverInit, startTLSMode and extraPorts are the LoadMaster's names.

import type { TcpSettings } from '../model.ts';
import { boolean, choice, integer, list, never, word, type Kind } from '../kind.ts';
import { decodePercent } from '../percent.ts';
import { parameter } from '../section.ts';

/** Most extra ports that a service has (kemp-api 1.4). */
const extraPortsMax = 510;

/** What the server is told to speak first, by the LoadMaster's words and numbers. */
const serverInits = ['normal', 'smtp', 'ssh', 'other', 'imap4', 'mysql', 'pop3'] as const;
const startTlsModes = ['none', 'smtp', 'smtp always', 'imap', 'pop3'] as const;

export type ServerInit = (typeof serverInits)[number];
export type StartTlsMode = (typeof startTlsModes)[number];

/** What is spoken; `none`: the client speaks first. */
export const firstSpeakers: Readonly<Record<ServerInit, TcpSettings['protocol']>> = {
  normal: 'none',
  smtp: 'smtp',
  ssh: 'other',
  other: 'other',
  imap4: 'imap',
  mysql: 'other',
  pop3: 'pop3'
};

export const startTlsMeanings: Readonly<
  Record<StartTlsMode, Pick<TcpSettings, 'protocol' | 'startTls'>>
> = {
  none: { protocol: 'none', startTls: 'no' },
  smtp: { protocol: 'smtp', startTls: 'offered' },
  'smtp always': { protocol: 'smtp', startTls: 'required' },
  imap: { protocol: 'imap', startTls: 'offered' },
  pop3: { protocol: 'pop3', startTls: 'offered' }
};

const noFtp = never('Exchange needs no FTP');

export const mailVocabulary = {
  serverInit: parameter(
    choice<ServerInit>(serverInits, {
      ...Object.fromEntries(serverInits.map((name, number) => [String(number), name])),
      imap: 'imap4',
      pop: 'pop3'
    }),
    'normal',
    'guide 5.2; for `vsType: gen`: all but normal = the server speaks first, and in which ' +
      'protocol; 0 normal, 1 smtp, 2 ssh, 3 other, 4 imap4, 5 mysql, 6 pop3'
  ),
  startTLSMode: parameter(
    choice<StartTlsMode>(
      startTlsModes,
      {
        0: 'none',
        1: 'smtp',
        2: 'smtp always',
        'smtp%20always': 'smtp always',
        4: 'imap',
        imap4: 'imap',
        6: 'pop3',
        pop: 'pop3'
      },
      { 3: noFtp, ftp: noFtp }
    ),
    'none',
    'guide 5.2; for `vsType: tls`; smtp always takes no mail without STARTTLS; 0 none, 1 smtp, ' +
      '2 smtp always, 4 imap, 6 pop3'
  ),
  extraPorts: parameter(
    extraPorts(),
    '-',
    'the service listens on these too; the real servers keep their port'
  ),
  clientConnsLimit: parameter(
    integer(0, 100_000),
    0,
    'most connections of one client address at a time; 0 = no limit'
  ),
  acceptProxyProtocol: parameter(
    boolean,
    false,
    'every connection begins with a PROXY header, from one of the global trustedProxies'
  ),
  proxyProtocol: parameter(
    choice(['none', 'v1', 'v2']),
    'none',
    'for `vsType: gen` and `tls`: tells the servers who the client is; they must expect it'
  ),
  xclient: parameter(boolean, false, 'the same for SMTP servers that offer XCLIENT to Ballast'),
  clearLogin: parameter(
    boolean,
    false,
    'for `vsType: tls`: logins are offered and taken before STARTTLS'
  ),
  lineLimit: parameter(
    integer(1000, 131_072, 'bytes'),
    12_288,
    'longest command line, where lines are read: `vsType: tls`, xclient'
  ),
  loginTime: parameter(
    integer(1, 86_400, 'seconds'),
    180,
    'where lines are read: a client must have signed in, or sent its first mail, within this'
  )
};

/** `9000-9100`, several with commas or blanks between, or a list of them. */
function extraPorts(): Kind<readonly number[]> {
  const says = `up to ${extraPortsMax} ports from 1 to 65535, each once, such as 9000-9100 or [587, 2525]`;
  const parts = word(says, (raw) => {
    const written = decodePercent(raw)
      .trim()
      .split(/[\s,]+/);
    if (written.length > extraPortsMax) return undefined;
    const read = written.map(portRange);
    const ports = read.flatMap((part) => part ?? []);
    return read.includes(undefined) || !areGood(ports) ? undefined : ports;
  });
  const several = list(parts, 'ports');
  return {
    says,
    read(node, at) {
      if (node.kind === 'scalar') return parts.read(node, at);
      const ports = several.read(node, at)?.flat();
      if (ports === undefined || areGood(ports)) return ports;
      at.report(node.place, at.path, `these are too many, or one stands twice; use ${says}`);
      return undefined;
    }
  };
}

function portRange(part: string): readonly number[] | undefined {
  const [, first, last = first] = /^([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?$/.exec(part) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === undefined || to > 65_535) return undefined;
  if (to < from || to - from >= extraPortsMax) return undefined;
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
}

function areGood(ports: readonly number[]): boolean {
  return ports.length <= extraPortsMax && new Set(ports).size === ports.length;
}
