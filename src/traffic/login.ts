// The login URLs (`/lm_auth_proxy`, kemp-esp 2): the form, what it sends, and its style sheet. They
// are answered here for every service with a form, whatever content rules say, and reach no server.

import { ProxyError } from '../error.ts';
import { expireExchange, expireLogin, expireSession } from '../gate/cookies.ts';
import { findHandles, sessionCookie, setSession } from '../gate/cookies.ts';
import { formBytesMax, parseLoginForm, type LoginForm } from '../gate/login-form.ts';
import { couldBeLogin, escapeDestination, loginLocation } from '../gate/login-url.ts';
import { readLoginQuery, safeDestination } from '../gate/login-url.ts';
import { findAsset, loggedOutPage, loginPage, pageFields } from '../gate/pages.ts';
import type { LoginState, LoginView } from '../gate/pages.ts';
import type { LogonAnswer } from '../gate/pass.ts';
import { seal } from '../gate/seal.ts';
import { beginLogin, isForeignPost, judgeLogin } from '../gate/pre-login.ts';
import { keyOfHandle, newHandle } from '../gate/tokens.ts';
import { cookiesOf } from '../http1/head.ts';
import { admitTo } from '../service/select.ts';
import type { Guard, Service } from '../service/virtual-service.ts';
import { logLogon, refused } from './esp-log.ts';
import type { Exchange } from './exchange.ts';
import type { OwnAnswer } from './own-answer.ts';
import { readSmallBody } from './small-body.ts';

/** Whether the request is for a login URL of this service, or for what looks like one. */
export function isForLogin({ virtualService, request }: Exchange): boolean {
  return virtualService.formServices.length > 0 && couldBeLogin(request.path);
}

/** Where somebody must sign in first. The page leads back to what he asked for. */
export function toLogin(exchange: Exchange, service: Service): OwnAnswer {
  const { token, cookieLine } = tokenFor(exchange, service);
  const location = `Location: ${loginLocation(exchange.request.pathAndQuery, token)}\r\n`;
  return { status: 302, fields: location + cookieLine + pageFields, body: '' };
}

/** The form itself, where the session is over for a reason that is to be told. */
export function signInAgain(exchange: Exchange, service: Service, state: LoginState): OwnAnswer {
  const curl = escapeDestination(exchange.request.pathAndQuery);
  const page = form(exchange, service, { state, curl });
  return { ...page, fields: expireSession + page.fields };
}

/** Throws `ProxyError` for what is no login URL. */
export function serveLogin(exchange: Exchange): OwnAnswer | Promise<OwnAnswer> {
  const { request, session, virtualService } = exchange;
  // Whom a rule keeps out need not guess passwords either.
  admitTo(virtualService, session.facts);
  const asked = readLoginQuery(request.query);
  const service = serviceOf(exchange, /[?&]curlid=([^&]*)/.exec(request.query)?.[1] ?? '');
  exchange.service = service;
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (asked.page === 'logon' && request.method === 'POST') return logOn(exchange);
  if (!isRead) return { status: 405, fields: `Allow: GET, HEAD\r\n${pageFields}`, body: '' };
  switch (asked.page) {
    case 'asset': {
      const asset = findAsset(asked.file);
      if (asset === undefined) throw new ProxyError('no-rule', 'client', 'no such file');
      return { status: 200, ...asset };
    }
    case 'logout':
      return endSessions(exchange).then(() => loggedOff(exchange));
    case 'login':
      return form(exchange, service, { state: 'plain', curl: asked.curl });
    case 'logon':
    case 'unknown':
      return form(exchange, service, {
        state: 'plain',
        curl: escapeDestination(homeOf(exchange))
      });
  }
}

async function logOn(exchange: Exchange): Promise<OwnAnswer> {
  const { session } = exchange;
  const body = await readSmallBody(exchange, formBytesMax);
  if (body === undefined) return { status: 413, fields: pageFields, body: '' };
  const sent = parseLoginForm(body);
  body.fill(0);
  if (sent === undefined) return { status: 400, fields: pageFields, body: '', bodyTaken: true };
  const service = serviceOf(exchange, sent.curlid);
  exchange.service = service;
  const state = whyNotOurForm(exchange, service, sent);
  if (state !== undefined) {
    return { ...form(exchange, service, { ...viewOf(sent), state }), bodyTaken: true };
  }
  const { passes } = session.traffic;
  const handle = newHandle();
  const ask = {
    service: service.fullName,
    domain: guardOf(service).settings.domain,
    how: 'form',
    user: sent.user,
    sealedPassword: seal(passes.keys, 'password', sent.password),
    key: keyOfHandle(handle),
    isPrivate: sent.isPrivate,
    client: session.clientAddress
  } as const;
  let answer: LogonAnswer;
  try {
    answer = await passes.logon(ask);
  } catch {
    answer = { outcome: 'unavailable' };
  }
  logLogon(exchange, sent.user, answer);
  if (answer.outcome !== 'welcome') {
    const state = states[answer.outcome];
    const page = form(exchange, service, { ...viewOf(sent), state });
    const status = state === 'unavailable' ? 503 : page.status;
    return { ...page, status, bodyTaken: true };
  }
  // A session of before is over: nobody goes on with what he may have been given.
  await endSessions(exchange);
  const location = `Location: ${safeDestination(sent.curl, homeOf(exchange))}\r\n`;
  // And what Exchange gave to whoever sat here before opens his mailbox, whoever signs in now.
  const fields = location + setSession(handle) + expireLogin + expireExchange + pageFields;
  return { status: 302, fields, body: '', bodyTaken: true };
}

async function endSessions({ request, session }: Exchange): Promise<void> {
  const keys = findHandles([cookiesOf(request)], sessionCookie).map(keyOfHandle);
  if (keys.length > 0) await session.traffic.passes.logoff(keys);
}

/** Says so, and leaves nothing of ours or of Exchange behind in the browser. */
export function loggedOff(exchange: Exchange): OwnAnswer {
  const fields = pageFields + expireSession + expireExchange;
  return { status: 200, fields, body: loggedOutPage(homeOf(exchange)) };
}

/** Where there is something to see: `/owa/` of `/owa/logoff.owa`. Often nothing answers to `/`. */
function homeOf({ virtualService }: Exchange): string {
  const [logoff = '/'] = virtualService.formServices.flatMap((one) => guardOf(one).settings.logoff);
  return /^\/[^/]+\//.exec(logoff)?.[0] ?? '/';
}

const states = {
  denied: 'bad',
  blocked: 'blocked',
  expired: 'expired',
  unavailable: 'unavailable'
} as const;

/** Somebody else's page must not sign anybody in. Undefined = the form is the one that we gave. */
function whyNotOurForm(
  exchange: Exchange,
  service: Service,
  { curlid }: LoginForm
): LoginState | undefined {
  const { request, session } = exchange;
  const origin = request.header('origin');
  if (isForeignPost(origin, request.header('sec-fetch-site'), request.authority)) return 'late';
  const token = curlid.slice(curlid.indexOf('-') + 1);
  const { keys } = session.traffic.passes;
  const cookies = [cookiesOf(request)];
  const judged = judgeLogin(keys, service.fullName, cookies, token, Date.now());
  if (judged === 'good') return undefined;
  // Somebody who signed in in another tab takes cookies: that is what ended this form's.
  const hasSession = findHandles(cookies, sessionCookie).length > 0;
  return judged === 'no-cookie' && !hasSession ? 'cookies' : 'late';
}

function form(
  exchange: Exchange,
  service: Service,
  view: Pick<LoginView, 'state' | 'curl'> & Partial<LoginView>
): OwnAnswer {
  const { settings } = guardOf(service);
  const { greeting, asksPublicPrivate, passwordChange } = settings;
  const { token, cookieLine } = tokenFor(exchange, service);
  const body = loginPage({ greeting, asksPublicPrivate, passwordChange, token, ...view });
  return { status: 200, fields: cookieLine + pageFields, body };
}

function viewOf({
  curl,
  user,
  isPrivate
}: LoginForm): Pick<LoginView, 'curl' | 'user' | 'isPrivate'> {
  return { curl, user, isPrivate };
}

/** `curlid`: which service, and the proof that its form was ours. */
function tokenFor(
  exchange: Exchange,
  service: Service
): { readonly token: string; readonly cookieLine: string } {
  const { keys } = exchange.session.traffic.passes;
  const begun = beginLogin(keys, service.fullName, [cookiesOf(exchange.request)], Date.now());
  return { token: `${guardOf(service).formId}-${begun.token}`, cookieLine: begun.setCookie };
}

/**
 * Whose form it is that was asked for, or sent. One that does not answer to this host is as good as none;
 * a style sheet, and a form on its way, do not say whose they are before they are read.
 */
function serviceOf(exchange: Exchange, curlid: string): Service {
  const { request, virtualService } = exchange;
  const id = curlid.split('-', 1)[0];
  const judged = virtualService.formServices.map((service) => {
    const { gate, formId } = guardOf(service);
    return { service, formId, verdict: gate.judge(request.host, request.path) };
  });
  const own = judged.filter(({ verdict }) => verdict.verdict === 'reserved');
  const found = own.find(({ formId }) => formId === id) ?? own[0];
  if (found !== undefined) return found.service;
  const [first] = judged;
  exchange.service = first?.service;
  if (first?.verdict.verdict === 'refused') throw refused(exchange, first.verdict);
  throw new ProxyError('no-rule', 'client', 'no login URL');
}

function guardOf({ guard }: Service): Guard {
  if (guard === undefined) throw new Error('a form without a guard');
  return guard;
}
