// The log-on form of OWA, filled in for somebody who has signed in here (kemp-esp 1.3). It is posted
// over a connection of its own, and the cookies that it brings go to the client: any server of the
// organisation reads them, so that it is needed once a session.

import { editHead } from '../content-rule/edit.ts';
import { ProxyError } from '../error.ts';
import { expiredExchangeCookies, setsOurs } from '../gate/cookies.ts';
import { pageFields } from '../gate/pages.ts';
import type { Pass } from '../gate/pass.ts';
import { HeadEdits } from '../http1/head-edits.ts';
import { cookiesOf, type AnswerHead } from '../http1/head.ts';
import { HeadGatherer } from '../http1/head-gatherer.ts';
import { AnswerParser } from '../http1/parse-head.ts';
import { Connection } from '../net/connection.ts';
import { dial } from '../net/dial.ts';
import type { RealServer } from '../service/real-server.ts';
import { connectTimeoutMs, sourceAddress } from './dialling.ts';
import { logGate } from './esp-log.ts';
import type { Exchange } from './exchange.ts';
import type { OwnAnswer } from './own-answer.ts';
import { mustLogIn, serverLogonOf } from './pre-auth.ts';

const answerTimeMs = 15_000;
/** A session that needs it more often gets nowhere: then people see the server's own form. */
const logonsMax = 3;
const logonsTimeMs = 60_000;

interface Attempts {
  readonly sinceMs: number;
  count: number;
}

const attemptsOf = new WeakMap<Pass, Attempts>();

/** What the server made of it. `cookies` are values of Set-Cookie. */
type ServerLogon =
  | { readonly outcome: 'welcome'; readonly cookies: readonly string[] }
  | { readonly outcome: 'wrong-password' | 'expired' | 'denied'; readonly reason: string };

/** Whether the server would show this request its form. */
export function needsServerLogon({ pass, service, realServer, request }: Exchange): boolean {
  if (pass === undefined || service?.guard?.settings.serverMode !== 'form') return false;
  if (realServer === service.sorryServer) return false; // which knows nobody
  return !/(?:^|;\s*)cadata=[^;\s]/.test(cookiesOf(request)) && mayTry(pass);
}

/**
 * Signs the user in at a real server and sends the client the same way again, with the cookies. A
 * request that is no GET cannot be sent again. Where the server does not take the password any more he
 * has to sign in anew. Throws `ProxyError`.
 */
export async function logOnToServer(exchange: Exchange): Promise<OwnAnswer> {
  const { request, session, service, realServer: server, pass } = exchange;
  if (service === undefined || server === undefined || pass === undefined) {
    throw new Error('a server log-on of nobody, or nowhere');
  }
  noteTry(pass);
  const { name, password } = serverLogonOf(session.traffic.passes.keys, pass);
  const found = await postForm(exchange, server, name, password);
  if (found.outcome !== 'welcome') {
    const about = { server: server.settings.name, reason: found.reason };
    logGate(exchange, 'security', { outcome: 'server refused', user: pass.user, about });
    if (found.outcome === 'denied') {
      throw new ProxyError('forbidden', 'server', `its log-on form said ${found.reason}`);
    }
    // The password was good when he signed in. Another try with it is another step to an account
    // that the directory locks. It ends by us, which is no reason to cut him off.
    exchange.pass = undefined;
    await session.traffic.passes.logoff([pass.key]);
    return mustLogIn(exchange, service, found.outcome === 'expired' ? 'expired' : 'bad');
  }
  const cookies = found.cookies.map((cookie) => `Set-Cookie: ${cookie}\r\n`).join('');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 440, fields: cookies + pageFields, body: '' };
  }
  const location = `Location: ${request.pathAndQuery}\r\n`;
  return { status: 302, fields: location + cookies + pageFields, body: '' };
}

/**
 * An answer that leads to the server's form although the session holds: its cookies ran out before
 * ours. The client comes again without them, and is signed in anew.
 */
export function backFromServerForm(
  exchange: Exchange,
  head: AnswerHead,
  before: HeadEdits | undefined
): HeadEdits | undefined {
  const { pass, service, request } = exchange;
  if (pass === undefined || service?.guard?.settings.serverMode !== 'form') return before;
  const leads =
    head.status === 302 && /\/owa\/auth\/logon\.aspx/i.test(head.header('location') ?? '');
  if (!leads || request.method !== 'GET' || !mayTry(pass)) return before;
  const edits = before ?? new HeadEdits(head);
  edits.replace('location', () => request.pathAndQuery);
  for (const cookie of expiredExchangeCookies) edits.add('Set-Cookie', cookie);
  return edits;
}

function mayTry(pass: Pass): boolean {
  const attempts = attemptsOf.get(pass);
  if (attempts === undefined || Date.now() - attempts.sinceMs > logonsTimeMs) return true;
  return attempts.count < logonsMax;
}

function noteTry(pass: Pass): void {
  const attempts = attemptsOf.get(pass);
  if (attempts === undefined || Date.now() - attempts.sinceMs > logonsTimeMs) {
    attemptsOf.set(pass, { sinceMs: Date.now(), count: 1 });
  } else {
    attempts.count++;
  }
}

async function postForm(
  exchange: Exchange,
  server: RealServer,
  name: string,
  password: string
): Promise<ServerLogon> {
  const { virtualService, session } = exchange;
  const { address, port } = server.settings;
  const dialling = dial({
    address,
    port,
    localAddress: sourceAddress(virtualService, address),
    tls: virtualService.clientTls?.optionsFor(server.settings, session.clientName),
    timeoutMs: connectTimeoutMs
  });
  let connection: Connection;
  try {
    connection = new Connection(await dialling.socket);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProxyError('cannot-connect', 'server', reason, true);
  }
  try {
    connection.write(requestOf(exchange, name, password));
    return judge(await readHead(connection));
  } finally {
    connection.destroy();
  }
}

function requestOf(exchange: Exchange, name: string, password: string): Buffer {
  const { request, service, session } = exchange;
  const form = service?.settings.esp?.serverForm;
  if (service === undefined || form === undefined) throw new Error('no server form');
  let host = request.authority;
  // Content rules may have another one for the servers.
  editHead(request, service.requestEdits, session.facts).replace('host', (value) => {
    host = value;
    return undefined;
  });
  const bare = name.slice(name.indexOf('\\') + 1).replace(/@.*$/, '');
  const destination = `https://${host}${request.path}`;
  const values = [destination, form.usernameOnly ? bare : name, password];
  const body = form.post.replace(/%s/g, () => encodeURIComponent(values.shift() ?? ''));
  const head =
    `POST ${form.path} HTTP/1.1\r\n` +
    `Host: ${host}\r\n` +
    'Content-Type: application/x-www-form-urlencoded\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\n` +
    // OWA takes a form only from a browser that has its script's cookie.
    'Cookie: PBack=0\r\n' +
    'Connection: close\r\n\r\n';
  return Buffer.from(head + body, 'latin1');
}

function readHead(connection: Connection): Promise<AnswerHead> {
  const parser = new AnswerParser();
  const heads = new HeadGatherer(parser, true);
  return new Promise<AnswerHead>((resolve, reject) => {
    const late = setTimeout(() => {
      settle(new ProxyError('server-timeout', 'server', 'its log-on form does not answer'));
    }, answerTimeMs);
    const settle = (result: AnswerHead | Error): void => {
      clearTimeout(late);
      heads.release();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    const closed = (): void =>
      settle(new ProxyError('server-closed', 'server', 'its log-on form gave no answer'));
    connection.receive({
      onBytes: (bytes) => {
        try {
          let rest: Buffer | undefined = bytes;
          do rest = heads.take(rest);
          while (rest !== undefined && parser.head.isInterim && rest.length > 0);
          if (rest !== undefined && !parser.head.isInterim) settle(parser.head);
        } catch (error) {
          settle(error instanceof Error ? error : new Error(String(error)));
        }
      },
      onEnd: closed,
      onClose: closed,
      onDrain: () => {}
    });
  });
}

function judge(head: AnswerHead): ServerLogon {
  const cookies: string[] = [];
  let location = '';
  for (let n = 0; n < head.fieldCount; n++) {
    const name = head.name(n).toLowerCase();
    if (name === 'set-cookie' && !setsOurs(head.value(n))) cookies.push(head.value(n));
    if (name === 'location') location = head.value(n);
  }
  if (head.status === 302 && cookies.some((cookie) => /^cadata=[^;\s]/.test(cookie))) {
    return { outcome: 'welcome', cookies };
  }
  if (/expiredpassword/i.test(location)) return { outcome: 'expired', reason: 'password expired' };
  // What OWA's form says of a name and password that it does not know is 2 (kemp-esp 9).
  const code = /[?&]reason=(\d{1,3})/.exec(location)?.[1];
  const reason = code === undefined ? `answered ${head.status}` : `reason=${code}`;
  return { outcome: code === '2' ? 'wrong-password' : 'denied', reason };
}
