// Pre-authentication of a request (Edge Security Pack): is the host one of ours, the path one that
// may be asked for, and who is it that asks? It stands between the choice of a SubVS and that of a
// real server, so that nothing of a request reaches a server before the answer.

import type { EspSettings } from '../config/model.ts';
import { ProxyError } from '../error.ts';
import { findHandles, sessionCookie } from '../gate/cookies.ts';
import type { GateKeys } from '../gate/keys.ts';
import { basicChallenge, parseBasic } from '../gate/login-form.ts';
import { pageFields } from '../gate/pages.ts';
import type { Pass } from '../gate/pass.ts';
import { open, seal } from '../gate/seal.ts';
import { keyOfBasic, keyOfHandle } from '../gate/tokens.ts';
import { cookiesOf } from '../http1/head.ts';
import type { Guard, Service } from '../service/virtual-service.ts';
import { logGate, logLogon, refused } from './esp-log.ts';
import type { Exchange } from './exchange.ts';
import { loggedOff, signInAgain, toLogin } from './login.ts';
import type { OwnAnswer } from './own-answer.ts';

/** Longest cookies that a connection keeps to know the next request by. */
const shownCharsMax = 8192;

/** Undefined = it may go on to the server. */
export type Ruling = OwnAnswer | undefined;

/** Who the latest request of a connection came from: the next one mostly looks the same. */
export interface Visitor {
  /** Cookie or Authorization as it came, and what it is known by. */
  shown: string;
  key: string;
  /** Name and password for the server as Basic has them, made when first needed; '' = not yet. */
  basicLine: string;
}

/** Throws `ProxyError` for what must not be answered in any other way. */
export function preAuthorize(
  exchange: Exchange,
  service: Service,
  guard: Guard
): Ruling | Promise<Ruling> {
  const { request } = exchange;
  const { settings } = guard;
  const judged = guard.gate.judge(request.host, request.path);
  if (judged.verdict === 'refused') throw refused(exchange, judged);
  // Reserved ones are answered before; one that comes here is in no form's reach.
  if (judged.verdict === 'reserved')
    throw new ProxyError('no-rule', 'client', 'nobody logs on here');
  if (judged.verdict === 'excluded' || settings.clientMode === 'delegate') {
    return undefined;
  }
  exchange.isGuarded = true;
  return settings.clientMode === 'basic'
    ? admitBasic(exchange, service, settings)
    : admitForm(exchange, service, guard, judged.path);
}

function admitForm(
  exchange: Exchange,
  service: Service,
  guard: Guard,
  path: string
): Ruling | Promise<Ruling> {
  const { session } = exchange;
  const { passes } = session.traffic;
  const known = knownPass(exchange, service);
  if (known !== undefined) return admitted(exchange, guard, path, known);
  const isLogoff = guard.gate.endsSession(path);
  const keys = handlesIn(cookiesOf(exchange.request)).map(keyOfHandle);
  // Who signs in to sign off would be lost at once.
  if (keys.length === 0) return isLogoff ? loggedOff(exchange) : mustLogIn(exchange, service);
  return firstOf(keys, (key) => passes.ask(key, service.fullName)).then(
    (pass) => {
      if (pass === undefined) return isLogoff ? loggedOff(exchange) : mustLogIn(exchange, service);
      session.visitor = visitorOf(cookiesOf(exchange.request), pass.key);
      return admitted(exchange, guard, path, pass);
    },
    () => {
      throw unavailable();
    }
  );
}

function admitted(
  exchange: Exchange,
  { gate }: Guard,
  path: string,
  pass: Pass
): Ruling | Promise<Ruling> {
  if (gate.endsSession(path)) return logOff(exchange, pass);
  return welcome(exchange, pass);
}

/** The pass that this worker knows for the cookie of this request. */
function knownPass(exchange: Exchange, service: Service): Pass | undefined {
  const { session } = exchange;
  const { passes } = session.traffic;
  const cookie = cookiesOf(exchange.request);
  const { visitor } = session;
  if (visitor !== undefined && visitor.shown === cookie) {
    return passes.find(visitor.key, service.fullName);
  }
  for (const handle of handlesIn(cookie)) {
    const key = keyOfHandle(handle);
    const pass = passes.find(key, service.fullName);
    if (pass === undefined) continue;
    session.visitor = visitorOf(cookie, key);
    return pass;
  }
  return undefined;
}

function admitBasic(
  exchange: Exchange,
  service: Service,
  settings: EspSettings
): Ruling | Promise<Ruling> {
  const { session, request } = exchange;
  const { passes } = session.traffic;
  const shown = request.header('authorization') ?? '';
  const { visitor } = session;
  if (visitor !== undefined && visitor.shown === shown) {
    const pass = passes.find(visitor.key, service.fullName);
    if (pass !== undefined) return welcome(exchange, pass);
  }
  const basic = parseBasic(shown);
  if (basic === undefined) return challenge(settings);
  const key = keyOfBasic(passes.keys, settings.domain, basic.user, basic.password);
  const known = passes.find(key, service.fullName);
  if (known !== undefined) {
    session.visitor = visitorOf(shown, key);
    return welcome(exchange, known);
  }
  const ask = {
    service: service.fullName,
    domain: settings.domain,
    how: 'basic',
    user: basic.user,
    sealedPassword: seal(passes.keys, 'password', basic.password),
    key,
    isPrivate: false,
    client: session.clientAddress
  } as const;
  return passes.logon(ask).then(
    (answer) => {
      logLogon(exchange, basic.user, answer);
      if (answer.outcome === 'unavailable') throw unavailable();
      if (answer.outcome !== 'welcome') return challenge(settings);
      session.visitor = visitorOf(shown, key);
      return welcome(exchange, answer.pass);
    },
    () => {
      throw unavailable();
    }
  );
}

function welcome(exchange: Exchange, pass: Pass): undefined {
  const { session } = exchange;
  // Servers know a user by their connection with us (NTLM): this one may be another.
  if (session.authenticatesConnection && session.servedKey !== pass.key) leaveServers(exchange);
  session.servedKey = pass.key;
  exchange.pass = pass;
}

/** Nobody else is to be served over them; where they stood for a user the client's ends as well. */
function leaveServers({ session }: Exchange): void {
  session.servers.closeAll();
  if (session.authenticatesConnection) session.drain();
}

/**
 * Browsers are shown the way to the form, or the form and why it is needed again; programs could make
 * nothing of a page.
 */
export function mustLogIn(
  exchange: Exchange,
  service: Service,
  because?: 'bad' | 'expired'
): OwnAnswer {
  const { request } = exchange;
  const isPage =
    (request.method === 'GET' || request.method === 'HEAD') &&
    (request.header('accept') ?? '').includes('text/html') &&
    request.header('x-requested-with') === undefined;
  if (!isPage) {
    const isOwa = request.header('x-owa-actionname') ?? request.header('x-requested-with');
    return { status: isOwa === undefined ? 401 : 440, fields: pageFields, body: '' };
  }
  return because === undefined
    ? toLogin(exchange, service)
    : signInAgain(exchange, service, because);
}

function challenge({ domain }: EspSettings): OwnAnswer {
  return { status: 401, fields: basicChallenge(domain) + pageFields, body: '' };
}

function unavailable(): ProxyError {
  return new ProxyError('no-directory', 'ballast', 'nobody can say now who it is that asks');
}

async function logOff(exchange: Exchange, pass: Pass): Promise<OwnAnswer> {
  exchange.session.visitor = undefined;
  leaveServers(exchange);
  await exchange.session.traffic.passes.logoff([pass.key]);
  logGate(exchange, 'user', { user: pass.user, outcome: 'logged off' });
  return loggedOff(exchange);
}

/** `Authorization` for the server. */
export function serverAuthorization(exchange: Exchange, pass: Pass): string {
  const { visitor, traffic } = exchange.session;
  const isHe = visitor?.key === pass.key;
  if (isHe && visitor.basicLine !== '') return visitor.basicLine;
  const { name, password } = serverLogonOf(traffic.passes.keys, pass);
  const line = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
  if (isHe) visitor.basicLine = line;
  return line;
}

/** For the log-on of a server; throws where the seal is not ours any more. */
export function serverLogonOf(keys: GateKeys, pass: Pass): { name: string; password: string } {
  const opened = open(keys, 'logon', pass.sealedLogon);
  if (opened === undefined)
    throw new ProxyError('forbidden', 'ballast', 'the session has no logon');
  const [name = '', password = ''] = opened.split('\0');
  return { name, password };
}

/** Undefined where there is too much to keep for every connection. */
function visitorOf(shown: string, key: string): Visitor | undefined {
  return shown.length > shownCharsMax ? undefined : { shown, key, basicLine: '' };
}

function handlesIn(cookie: string): string[] {
  return findHandles([cookie], sessionCookie);
}

async function firstOf<T>(
  keys: readonly string[],
  ask: (key: string) => Promise<T | undefined>
): Promise<T | undefined> {
  for (const key of keys) {
    const found = await ask(key);
    if (found !== undefined) return found;
  }
  return undefined;
}
