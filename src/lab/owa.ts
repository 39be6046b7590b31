// Outlook on the web: a page and a log-on form that need no JavaScript, cookies that any server of
// the organisation can read, a WebSocket, and transfers of any size for tests.

import { createHash, createHmac } from 'node:crypto';
import { writeAll } from './answer.ts';
import { patternPieces } from './pattern.ts';
import { fieldLines, fieldOf, queryValue, type LabRequest } from './request.ts';
import { accountOf, findUser } from './sign-in.ts';
import type { Visit } from './visit.ts';

/** Real servers share their certificate's key for this; stand-ins share a constant. */
const cookieKey = 'stand-in servers only';
const html = ['Content-Type', 'text/html; charset=utf-8'] as const;

export async function serveOwa(visit: Visit): Promise<void> {
  const { answer, body, request } = visit;
  switch (request.path) {
    case '/owa/upload':
      return takeUpload(visit);
    case '/owa/download':
      return sendDownload(visit);
    case '/owa/ws':
      return echoWebSocket(visit);
    case '/owa/auth/logon.aspx':
      await body.drain();
      return answer.send(200, [html], logOnPage(visit));
    case '/owa/auth.owa':
      return logOn(visit);
    case '/owa/logoff.owa': {
      await body.drain();
      const past = 'expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/';
      const fields = [['Location', '/owa/auth/logon.aspx'] as const];
      return answer.send(302, [...fields, ['Set-Cookie', `cadata=; ${past}`]]);
    }
    default:
      await body.drain();
      return answer.send(
        200,
        [
          html,
          ['Set-Cookie', `X-OWA-CANARY=${hmac(visit.user)}; path=/; secure`],
          [
            'Set-Cookie',
            `X-BackEndCookie=S-1-5-21~u56Lnp2ejJqBy8ef!=${visit.serverName}; path=/owa`
          ]
        ],
        mailPage(visit)
      );
  }
}

/** Pages of OWA and ECP that are seen before any log-on. */
export function isLogOnPage(path: string): boolean {
  return path === '/owa/auth/logon.aspx' || path === '/owa/auth.owa' || path === '/owa/logoff.owa';
}

/** The account that the form's cookie names; it is good on every server. */
export function accountOfCookie(request: LabRequest): string | undefined {
  const cookies = fieldLines(request, 'cookie').join('; ');
  const [account = '', proof] = (/(?:^|; )cadata=([^;]*)/.exec(cookies)?.[1] ?? '').split('.');
  const name = decodeURIComponent(account);
  return name !== '' && proof === hmac(name) ? name : undefined;
}

async function logOn({ answer, body, users }: Visit): Promise<void> {
  const form = new URLSearchParams(await body.text());
  const user = findUser(form.get('username') ?? '', users);
  if (user === undefined || user.password !== form.get('password')) {
    return answer.send(302, [['Location', '/owa/auth/logon.aspx?reason=2']]);
  }
  const account = accountOf(user);
  const value = `${encodeURIComponent(account)}.${hmac(account)}`;
  const place = form.get('destination') ?? '';
  return answer.send(302, [
    ['Location', place.startsWith('/') && !place.startsWith('//') ? place : '/owa/'],
    ['Set-Cookie', `cadata=${value}; path=/; secure; HttpOnly`]
  ]);
}

async function takeUpload({ answer, body }: Visit): Promise<void> {
  await body.drain();
  const { bytes, sha256 } = body.figures;
  const result = JSON.stringify({ bytes, sha256 });
  return answer.send(200, [['Content-Type', 'application/json']], result);
}

async function sendDownload({ answer, body, request }: Visit): Promise<void> {
  await body.drain();
  const bytes = Number(queryValue(request, 'bytes') ?? 0);
  const length = queryValue(request, 'chunked') === undefined ? bytes : undefined;
  await answer.begin(200, [['Content-Type', 'application/octet-stream']], length);
  for (const piece of patternPieces(0, bytes)) await answer.write(piece);
  await answer.end();
}

async function echoWebSocket(visit: Visit): Promise<void> {
  const { answer, request, socket, source } = visit;
  const key = fieldOf(request, 'sec-websocket-key');
  if (key === undefined || fieldOf(request, 'upgrade')?.toLowerCase() !== 'websocket') {
    await visit.body.drain();
    return answer.send(426, [['Upgrade', 'websocket']]);
  }
  // RFC 6455 4.2.2: the key and this constant, hashed, prove that the handshake was understood.
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  await answer.switchProtocol([
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Accept', accept.digest('base64')]
  ]);
  for (let piece = await source.readSome(65_536); piece; piece = await source.readSome(65_536)) {
    await writeAll(socket, piece);
  }
}

function logOnPage({ request, serverName }: Visit): string {
  const failed = queryValue(request, 'reason') === '2';
  return (
    `<!doctype html><title>Outlook</title><h1>Outlook</h1>` +
    `${failed ? '<p>The user name or password is not correct.</p>' : ''}` +
    `<form method="post" action="/owa/auth.owa"><p><label>Name <input name="username"></label>` +
    `<p><label>Password <input name="password" type="password"></label>` +
    `<p><button>Sign in</button></form><p>Server: ${serverName}`
  );
}

function mailPage({ serverName, user }: Visit): string {
  return (
    `<!doctype html><title>Mail</title><h1>Mail</h1><p>User: ${user}<p>Server: ${serverName}` +
    `<p><a href="/owa/logoff.owa">Sign out</a>`
  );
}

function hmac(text: string): string {
  return createHmac('sha256', cookieKey).update(text).digest('base64url');
}
