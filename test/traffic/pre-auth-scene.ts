// A site with pre-authentication in this process, and somebody outside who talks to it by hand.

import type { Test } from 'tap';
import type { EspSettings } from '../../src/config/model.ts';
import { sessionCookie } from '../../src/gate/cookies.ts';
import { espSettings } from '../fixture/esp.ts';
import { LocalPasses } from '../fixture/passes.ts';
import { startOrigin, type Origin } from '../fixture/origin.ts';
import type { Message, Peer } from '../fixture/peer.ts';
import { openSite, type Site } from '../fixture/site.ts';

export const html = 'Accept: text/html,*/*\r\n';
export const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
export const people = { alice: 'right', bob: 'true' };

/** Of a service that leaves it to the servers to ask. */
export const delegated = espSettings({
  clientMode: 'delegate',
  serverMode: 'none',
  allowedDirectories: ['/*']
});

export interface Scene {
  readonly site: Site;
  readonly passes: LocalPasses;
  /** Behind the SubVS with pre-authentication. */
  readonly origin: Origin;
  /** Behind the others: /ews delegates, all the rest has no pre-authentication at all. */
  readonly open: Origin;
  readonly client: Peer;
}

export async function scene(t: Test, esp: Partial<EspSettings> = {}): Promise<Scene> {
  const [origin, open] = await Promise.all([startOrigin(), startOrigin()]);
  t.teardown(() => Promise.all([origin.close(), open.close()]));
  for (const one of [origin, open]) one.serve((socket) => socket.write(ok));
  const passes = new LocalPasses(people);
  const site = await openSite(t, {
    passes,
    subVSs: [
      {
        name: 'OWA',
        prefix: '/owa',
        servers: [origin.port],
        settings: { esp: espSettings(esp) }
      },
      { name: 'EWS', prefix: '/ews', servers: [origin.port], settings: { esp: delegated } },
      { name: 'Rest', servers: [open.port] }
    ]
  });
  return { site, passes, origin, open, client: await site.client() };
}

export function ask(client: Peer, target: string, fields = '', method = 'GET'): Promise<Message> {
  client.send(`${method} ${target} HTTP/1.1\r\nHost: mail.example.com\r\n${fields}\r\n`);
  return client.message(method === 'HEAD' ? 'bodyless' : 'any');
}

export function field(head: string, name: string): string {
  return new RegExp(`^${name}: (.*)\r$`, 'im').exec(head)?.[1] ?? '';
}

export function cookie(head: string, name: string): string {
  return new RegExp(`^set-cookie: (${name}=[^;]*)`, 'im').exec(head)?.[1] ?? '';
}

export interface LoginForm {
  /** Where it is. */
  readonly location: string;
  readonly login: string;
  readonly curl: string;
  readonly curlid: string;
}

export async function openForm(client: Peer, target: string): Promise<LoginForm> {
  const { head } = await ask(client, target, html);
  const location = field(head, 'location');
  const [, curl = '', curlid = ''] = /curl=([^&]*)&curlid=([^&]*)/.exec(location) ?? [];
  return { location, login: cookie(head, '__Host-lmlogin'), curl, curlid };
}

export function formBody(
  form: Pick<LoginForm, 'curl' | 'curlid'>,
  user: string,
  password: string
): string {
  const { curl, curlid } = form;
  return new URLSearchParams({ curl, curlid, username: user, password, pubpriv: '0' }).toString();
}

export function post(login: string, body: string, fields = ''): string {
  return (
    `POST /lm_auth_proxy?LMLogon HTTP/1.1\r\nHost: mail.example.com\r\nCookie: ${login}\r\n` +
    `${fields}Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** Signs in; the answer and the session cookie. */
export async function logOn(client: Peer, user: keyof typeof people = 'alice', fields = '') {
  const form = await openForm(client, '/owa/');
  client.send(post(form.login, formBody(form, user, people[user]), fields));
  const { head } = await client.message();
  return { head, session: `Cookie: ${cookie(head, sessionCookie)}\r\n` };
}
