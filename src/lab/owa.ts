// Outlook on the web: a page that needs no JavaScript, a WebSocket, and transfers of any size for
// tests. Its log-on form is in owa-forms.ts.

import { createHash } from 'node:crypto';
import { writeAll } from './answer.ts';
import { isLogOnPage, serveLogOnPage } from './owa-forms.ts';
import { patternPieces } from './pattern.ts';
import { fieldOf, queryValue } from './request.ts';
import type { Visit } from './visit.ts';

const html = ['Content-Type', 'text/html; charset=utf-8'] as const;

export async function serveOwa(visit: Visit): Promise<void> {
  const { answer, body, owa, request } = visit;
  if (isLogOnPage(request.path, owa)) return serveLogOnPage(visit);
  switch (request.path) {
    case '/owa/upload':
      return takeUpload(visit);
    case '/owa/download':
      return sendDownload(visit);
    case '/owa/ws':
      return echoWebSocket(visit);
    default:
      await body.drain();
      return answer.send(
        200,
        [
          html,
          ['Set-Cookie', `X-OWA-CANARY=${canary(visit.user)}; path=/; secure`],
          [
            'Set-Cookie',
            `X-BackEndCookie=S-1-5-21~u56Lnp2ejJqBy8ef!=${visit.serverName}; path=/owa`
          ]
        ],
        mailPage(visit)
      );
  }
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

function mailPage({ owa, request, serverName, user }: Visit): string {
  // Without forms a browser keeps sending the password, and nobody can make it stop.
  if (owa.signIn === 'basic' && request.path === '/owa/logoff.owa') {
    return '<!doctype html><html lang="en"><title>Outlook</title><p>Close all browser windows.';
  }
  return (
    `<!doctype html><html lang="en"><title>Mail</title><h1>Mail</h1><p>User: ${user}` +
    `<p>Server: ${serverName}<p><a href="/ecp/">Options</a> <a href="/owa/logoff.owa">Sign out</a>`
  );
}

function canary(user: string): string {
  return createHash('sha256').update(user).digest('base64url');
}
