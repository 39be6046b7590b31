// Events of pre-authentication (ESP logs): who was let in, who was refused, who was connected. Names
// and addresses are the client's words, so nothing of them may look like another event: each value is
// printable, short, and read back in one way only.

import type { EspLogs } from '../config/model.ts';
import type { Refusal } from '../dialect/recipients.ts';
import { ProxyError } from '../error.ts';
import type { LogonAnswer } from '../gate/pass.ts';
import type { Refused } from '../gate/refused.ts';
import type { Logger } from '../log.ts';
import type { Exchange } from './exchange.ts';
import type { TcpSession } from './tcp-session.ts';

export interface EspEvent {
  /** The bit of `espLogs` that it belongs to. */
  readonly kind: keyof EspLogs;
  /** That of the request or session, as in its access line. */
  readonly id: string;
  /** Its address. */
  readonly client: string;
  readonly service: string;
  /** Undefined where nobody has said his name. */
  readonly user?: string;
  readonly outcome: string;
  /** What else there is to say: the recipient, the host, the reason. */
  readonly about?: Readonly<Record<string, string | undefined>>;
}

const valueCharsMax = 256;

/** Whether it is wanted is for who calls: `logs[kind]`. */
export function logEsp(log: Logger, event: EspEvent): void {
  const { kind, id, client, service, user, outcome, about = {} } = event;
  const values = { client, service, user, outcome, ...about };
  const shown = Object.entries(values).map(([name, value]) => [name, value && printable(value)]);
  const level = kind === 'security' ? 'warn' : 'info';
  log[level]({ kind, id, ...Object.fromEntries(shown) }, 'esp');
}

/** An event of a request, where the service wants its kind. */
export function logGate(
  { id, session, service, virtualService }: Exchange,
  kind: keyof EspLogs,
  event: Pick<EspEvent, 'outcome' | 'user' | 'about'>
): void {
  const guard = service?.guard;
  if (guard?.settings.logs[kind] !== true) return;
  const { fullName } = service ?? virtualService;
  const client = session.clientAddress;
  logEsp(session.traffic.log, { kind, id, client, service: fullName, ...event });
}

/** A LoadMaster's words, where it has some (kemp-esp 4, 6). */
const outcomes = {
  welcome: 'logged on',
  denied: 'denied access',
  blocked: 'blocked access',
  expired: 'requires password reset',
  unavailable: 'cannot be asked'
} as const;

/** What became of somebody's name and password. */
export function logLogon(exchange: Exchange, user: string, answer: LogonAnswer): void {
  const outcome = outcomes[answer.outcome];
  const about = answer.outcome === 'denied' ? { reason: answer.reason } : {};
  logGate(exchange, 'user', { user, outcome, about });
}

/** Notes what the gate turned down; the result is to be thrown. */
export function refused(exchange: Exchange, { code, reason }: Refused): ProxyError {
  logGate(exchange, 'security', { outcome: 'refused', about: { reason } });
  return new ProxyError(code === 400 ? 'malformed-request' : 'forbidden', 'client', reason);
}

/** Security events of SMTP are always wanted (RESTful API 2022, 3.6.1.7). */
export function logRefusedRecipient(session: TcpSession, refused: Refusal): void {
  const { id, from, virtualService, traffic } = session;
  logEsp(traffic.log, {
    kind: 'security',
    id,
    client: from.address,
    service: virtualService.settings.name,
    outcome: 'recipient-refused',
    about: { recipient: Buffer.from(refused.address, 'latin1').toString(), reason: refused.why }
  });
}

export function logMailSession(session: TcpSession): void {
  const { id, from, virtualService, realServer, error, endedBy, traffic } = session;
  logEsp(traffic.log, {
    kind: 'connection',
    id,
    client: from.address,
    service: virtualService.settings.name,
    outcome: error?.code ?? `${endedBy ?? 'client'}-ended`,
    about: { server: realServer?.settings.name }
  });
}

/**
 * Letters, digits and signs as they are. All else would move a cursor, turn the direction of a line or
 * not be seen, and is written `\u{...}`, as is the backslash of a `\u{` that came: nobody can write one of
 * ours.
 */
function printable(text: string): string {
  const shown = text.replace(
    /\\(?=u\{)|[^ \p{L}\p{M}\p{N}\p{P}\p{S}]/gu,
    (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`
  );
  return shown.length > valueCharsMax ? `${shown.slice(0, valueCharsMax)}…` : shown;
}
