// The virtual directories of a client access server, by their first path segment in lower case.

import { serveActiveSync } from './active-sync.ts';
import { serveEws } from './ews.ts';
import { serveMapi } from './mapi.ts';
import { serveOab } from './oab.ts';
import { serveOwa } from './owa.ts';
import { serveRpc } from './rpc.ts';
import type { Directory, Visit } from './visit.ts';

export const directories = {
  owa: serveOwa,
  ecp: serveEcp,
  ews: serveEws,
  mapi: serveMapi,
  rpc: serveRpc,
  'microsoft-server-activesync': serveActiveSync,
  autodiscover: serveAutodiscover,
  oab: serveOab,
  powershell: servePowerShell,
  api: serveApi
} satisfies Record<string, Directory>;

export type DirectoryName = keyof typeof directories;

/** `/EWS/Exchange.asmx` -> `ews`; undefined where there is no such directory. */
export function directoryOf(path: string): DirectoryName | undefined {
  const name = path.toLowerCase().split('/', 2)[1] ?? '';
  return Object.hasOwn(directories, name) ? (name as DirectoryName) : undefined;
}

async function serveEcp({ answer, body, serverName, user }: Visit): Promise<void> {
  await body.drain();
  const page = `<!doctype html><title>Options</title><p>User: ${user}<p>Server: ${serverName}`;
  return answer.send(200, [['Content-Type', 'text/html; charset=utf-8']], page);
}

async function serveAutodiscover({
  answer,
  body,
  request,
  serverName,
  user
}: Visit): Promise<void> {
  await body.drain();
  if (isAnonymousJson(request.path)) {
    const place = { Protocol: 'AutodiscoverV1', Url: `https://${serverName}/autodiscover/` };
    return answer.send(200, [['Content-Type', 'application/json']], JSON.stringify(place));
  }
  const xml =
    '<?xml version="1.0" encoding="utf-8"?>' +
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">' +
    `<Response><User><DisplayName>${user}</DisplayName></User>` +
    `<Account><Server>${serverName}</Server></Account></Response></Autodiscover>`;
  return answer.send(200, [['Content-Type', 'text/xml; charset=utf-8']], xml);
}

/** Autodiscover v2 tells where to go and asks nobody who he is. */
export function isAnonymousJson(path: string): boolean {
  return path.startsWith('/autodiscover/autodiscover.json');
}

async function servePowerShell({ answer, body, serverName, user }: Visit): Promise<void> {
  await body.drain();
  const soap =
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>' +
    `<User>${user}</User><Server>${serverName}</Server></s:Body></s:Envelope>`;
  return answer.send(200, [['Content-Type', 'application/soap+xml;charset=UTF-8']], soap);
}

async function serveApi({ answer, body, serverName, user }: Visit): Promise<void> {
  await body.drain();
  const json = JSON.stringify({ user, server: serverName });
  return answer.send(200, [['Content-Type', 'application/json']], json);
}
