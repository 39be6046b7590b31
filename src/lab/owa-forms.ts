// The log-on form of Outlook on the web and ECP (kemp-esp 9): its pages, its five cookies, which any
// server of the organisation can read, and where it sends whom.

import { createHmac, randomBytes } from 'node:crypto';
import type { Field } from './answer.ts';
import { fieldLines, fieldOf, queryValue, type LabRequest } from './request.ts';
import { accountOf, findUser, type LabUser } from './sign-in.ts';
import type { Visit } from './visit.ts';

export interface OwaSettings {
  /**
   * `form` is what setup leaves, `basic` forms turned off; `any` shows browsers the form and lets
   * programs sign in as everywhere else.
   */
  readonly signIn: 'any' | 'form' | 'basic';
  /** How names must be written in the form. */
  readonly nameFormat: 'any' | 'domain' | 'principal' | 'username';
  /** How long cookies of a public and of a private computer last. */
  readonly publicMs: number;
  readonly privateMs: number;
}

export const owaDefaults: OwaSettings = {
  signIn: 'any',
  nameFormat: 'any',
  publicMs: 900_000,
  privateMs: 86_400_000
};

/** Why the form is shown: 0 no reason, 1 signed out, 2 wrong, 3 timed out, 4 password changed. */
type Reason = 0 | 1 | 2 | 3 | 4;

export type FormSignIn =
  | { readonly kind: 'user'; readonly account: string }
  /** To the form, or what a program is told instead. */
  | { readonly kind: 'stranger'; readonly status: 302 | 440; readonly fields: readonly Field[] };

/** Real servers share their certificate's key for this; stand-ins share a constant. */
const cookieKey = 'stand-in servers only';
const html = ['Content-Type', 'text/html; charset=utf-8'] as const;
const cookieNames = ['cadata', 'cadataTTL', 'cadataKey', 'cadataIV', 'cadataSig'] as const;
/** `flags` of the form. */
const privateComputer = 4;

const formats: Readonly<Record<OwaSettings['nameFormat'], RegExp>> = {
  any: /./,
  domain: /^[^@\\]+\\[^@\\]+$/,
  principal: /^[^@\\]+@[^@\\]+$/,
  username: /^[^@\\]+$/
};

const pages: Readonly<Record<string, (visit: Visit) => Promise<void>>> = {
  '/owa/auth/logon.aspx': showForm,
  '/owa/auth.owa': logOn,
  '/owa/auth/owaauth.dll': refuseOldForm,
  '/owa/auth/expiredpassword.aspx': changePassword,
  '/owa/logoff.owa': logOff
};

/** Pages of OWA and ECP that are seen before any log-on. */
export function isLogOnPage(path: string, { signIn }: OwaSettings): boolean {
  return signIn !== 'basic' && Object.hasOwn(pages, path);
}

export async function serveLogOnPage(visit: Visit): Promise<void> {
  await pages[visit.request.path]?.(visit);
}

/** Who asks, as far as cookies and the form tell; undefined where he may show a name otherwise. */
export function signInByForm(
  request: LabRequest,
  users: readonly LabUser[],
  { signIn }: OwaSettings,
  isSignedIn: boolean
): FormSignIn | undefined {
  if (signIn === 'basic') return undefined;
  const found = accountOfCookies(request, users);
  if (typeof found === 'string') return { kind: 'user', account: found };
  const showsName = isSignedIn || fieldOf(request, 'authorization') !== undefined;
  const isBrowser = (fieldOf(request, 'accept') ?? '').includes('text/html');
  if (signIn === 'any' && (showsName || (found === undefined && !isBrowser))) return undefined;
  // A form that is posted, or a call of a script, cannot be sent to a page and back.
  if (request.method !== 'GET') return { kind: 'stranger', status: 440, fields: [] };
  const wanted = `https://${fieldOf(request, 'host') ?? ''}${request.target}`;
  return { kind: 'stranger', status: 302, fields: [toForm(found ?? 0, wanted)] };
}

/** The account that the cookies name, why they are no good, or undefined where there are none. */
function accountOfCookies(
  request: LabRequest,
  users: readonly LabUser[]
): string | Reason | undefined {
  const all = `; ${fieldLines(request, 'cookie').join('; ')}`;
  const [data, ttl, key, iv, sig] = cookieNames.map(
    (name) => new RegExp(`; ${name}=([^;]*)`).exec(all)?.[1] ?? ''
  );
  if (data === undefined || data === '') return undefined;
  const [written = '', proof] = data.split('.');
  const [until = '', ttlProof] = ttl?.split('.') ?? [];
  const user = findUser(decodeURIComponent(written), users);
  if (user === undefined) return 0;
  const account = accountOf(user);
  if (sig !== hmac(account, key ?? '', iv ?? '')) return 0;
  if (ttlProof !== hmac(account, until) || Number(until) <= Date.now()) return 3;
  return proof === hmac(account, user.password) ? account : 4;
}

async function showForm({ answer, body, request, serverName }: Visit): Promise<void> {
  await body.drain();
  const reason = queryValue(request, 'reason') ?? '0';
  const wanted = (queryValue(request, 'url') ?? '').replaceAll(/[&<>"]/g, '');
  const page =
    `<!doctype html><html lang="en"><title>Outlook</title><h1>Outlook</h1>` +
    `<p id="reason">${reasons[reason] ?? ''}</p>` +
    `<form method="post" action="/owa/auth.owa">` +
    `<input type="hidden" name="destination" value="${wanted}">` +
    `<input type="hidden" name="flags" value="4"><input type="hidden" name="forcedownlevel" value="0">` +
    `<p><label>Name <input name="username"></label>` +
    `<p><label>Password <input name="password" type="password"></label>` +
    `<input type="hidden" name="passwordText"><input type="hidden" name="isUtf8" value="1">` +
    `<p><button>Sign in</button></form><p>Server: ${serverName}`;
  return answer.send(200, [html], page);
}

const reasons: Readonly<Record<string, string>> = {
  '1': 'You are signed out.',
  '2': 'The user name or password is not correct.',
  '3': 'Your session has timed out.',
  '4': 'Your password was changed.'
};

async function logOn({ answer, body, owa, request, users }: Visit): Promise<void> {
  const form = new URLSearchParams(await body.text());
  const name = form.get('username') ?? '';
  const user = formats[owa.nameFormat].test(name) ? findUser(name, users) : undefined;
  const destination = form.get('destination') ?? '';
  if (user === undefined || user.password !== form.get('password')) {
    return answer.send(302, [toForm(2, destination)]);
  }
  if (user.expired === true) {
    return answer.send(302, [['Location', '/owa/auth/expiredpassword.aspx?url=/owa/auth.owa']]);
  }
  const flags = Number(form.get('flags'));
  const isPrivate = (flags & privateComputer) !== 0;
  const mark: Field[] = isPrivate ? [['Set-Cookie', 'PrivateComputer=true; path=/; secure']] : [];
  return answer.send(302, [
    ['Location', ownPlace(destination, request) ?? '/owa/'],
    ...cookiesOf(user, isPrivate ? owa.privateMs : owa.publicMs),
    ...mark
  ]);
}

function cookiesOf(user: LabUser, lastsMs: number): Field[] {
  const account = accountOf(user);
  const until = String(Date.now() + lastsMs);
  const [key, iv] = [randomBytes(16).toString('base64url'), randomBytes(16).toString('base64url')];
  const values: Readonly<Record<(typeof cookieNames)[number], string>> = {
    cadata: `${encodeURIComponent(account)}.${hmac(account, user.password)}`,
    cadataTTL: `${until}.${hmac(account, until)}`,
    cadataKey: key,
    cadataIV: iv,
    cadataSig: hmac(account, key, iv)
  };
  return cookieNames.map((name) => [
    'Set-Cookie',
    `${name}=${values[name]}; path=/; secure; HttpOnly`
  ]);
}

/** A destination on the host that was asked; undefined for anything else. */
function ownPlace(destination: string, request: LabRequest): string | undefined {
  const origin = `https://${fieldOf(request, 'host') ?? ''}`;
  try {
    const url = new URL(destination, origin);
    return destination !== '' && url.origin === new URL(origin).origin ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** What clients of Exchange 2003 posted to. */
async function refuseOldForm({ answer, body }: Visit): Promise<void> {
  await body.drain();
  return answer.send(440, []);
}

async function logOff({ answer, body }: Visit): Promise<void> {
  await body.drain();
  const past = 'path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; secure; HttpOnly';
  const expired = cookieNames.map((name): Field => ['Set-Cookie', `${name}=; ${past}`]);
  return answer.send(302, [toForm(1), ...expired]);
}

async function changePassword(visit: Visit): Promise<void> {
  const { answer, body, request, users } = visit;
  const form = new URLSearchParams(await body.text());
  if (request.method !== 'POST') return answer.send(200, [html], passwordForm(''));
  const user = findUser(form.get('username') ?? '', users);
  const wanted = form.get('newPwd1') ?? '';
  if (user === undefined || user.password !== form.get('oldPwd')) {
    return answer.send(200, [html], passwordForm('The user name or password is not correct.'));
  }
  if (wanted === '' || wanted !== form.get('newPwd2') || wanted === user.password) {
    return answer.send(200, [html], passwordForm('Type the same new password twice.'));
  }
  visit.changePassword(user, wanted);
  const page =
    '<!doctype html><html lang="en"><title>Password changed</title>' +
    '<h1>Your password has been changed</h1><p><a href="/owa/">Sign in with it</a>';
  return answer.send(200, [html], page);
}

function passwordForm(said: string): string {
  const field = (name: string, label: string): string =>
    `<p><label>${label} <input name="${name}" type="${name === 'username' ? 'text' : 'password'}"></label>`;
  return (
    '<!doctype html><html lang="en"><title>Change password</title><h1>Change password</h1>' +
    `<p id="reason">${said}</p><form method="post">${field('username', 'Name')}` +
    `${field('oldPwd', 'Current password')}${field('newPwd1', 'New password')}` +
    `${field('newPwd2', 'New password again')}<p><button>Change</button></form>`
  );
}

function toForm(reason: Reason, wanted = ''): Field {
  const url = wanted === '' ? '' : `&url=${encodeURIComponent(wanted)}`;
  const why = reason === 0 ? '' : `&reason=${reason}`;
  return ['Location', `/owa/auth/logon.aspx?replaceCurrent=1${why}${url}`];
}

function hmac(...parts: readonly string[]): string {
  return createHmac('sha256', cookieKey).update(parts.join('\0')).digest('base64url');
}
