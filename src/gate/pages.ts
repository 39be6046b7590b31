// The pages that people see: complete HTML, the same for everybody but for the greeting. They need
// no JavaScript, and their style sheet is the only thing that they load (style.ts).

import { icon, styleSheet } from './style.ts';
import { loginPath, logonUrl } from './login-url.ts';
import { html, type Markup } from './markup.ts';

/**
 * What the form has to say beside its fields. `blocked`, `bad` and `unavailable` are said by outcome,
 * `late` where the form had been open for too long, `cookies` where its cookie did not come back.
 */
export type LoginState =
  'plain' | 'blocked' | 'bad' | 'unavailable' | 'expired' | 'late' | 'cookies';

export interface LoginView {
  readonly state: LoginState;
  /** Text, whose line breaks are kept; '' = none. */
  readonly greeting: string;
  /** The wanted URL, escaped as in login URLs. */
  readonly curl: string;
  readonly token: string;
  readonly asksPublicPrivate: boolean;
  /** What the form was sent with. */
  readonly user?: string;
  readonly isPrivate?: boolean;
  /** For `expired`. */
  readonly passwordChange?: { readonly url: string; readonly message: string } | undefined;
}

/**
 * Field lines for all that is answered here. No page of another site frames it, and its address, which
 * holds the wanted URL, is told to nobody. Browsers hold `form-action` against every redirect that
 * follows: Exchange sends whose mailbox is at another site to that site's host.
 */
const guardFields =
  "Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; " +
  "form-action 'self' https:; frame-ancestors 'none'; base-uri 'none'\r\n" +
  'X-Frame-Options: DENY\r\n' +
  'X-Content-Type-Options: nosniff\r\n' +
  'Referrer-Policy: no-referrer\r\n' +
  'Cache-Control: no-store\r\n';

/** Those of a page, its type among them. */
export const pageFields = `Content-Type: text/html; charset=utf-8\r\n${guardFields}`;

export interface Asset {
  /** Complete field lines, like `pageFields`. */
  readonly fields: string;
  readonly body: string;
}

/** By the names that `LMimage=` knows; nothing else is served. */
const assets = new Map<string, Asset>([
  ['style.css', asset('text/css', styleSheet)],
  ['icon.svg', asset('image/svg+xml', icon)]
]);

function asset(type: string, body: string): Asset {
  return { fields: `Content-Type: ${type}; charset=utf-8\r\n${guardFields}`, body };
}

export function findAsset(file: string): Asset | undefined {
  return assets.get(file);
}

export function loginPage(view: LoginView): string {
  const failed = view.state !== 'plain';
  const content = html` <h1>Sign in</h1>
    ${view.greeting === '' ? undefined : html`<p class="greeting">${view.greeting}</p>`}
    ${failed ? noticeOf(view) : undefined}
    <form id="logonForm" method="post" action="${logonUrl}">
      <input type="hidden" name="curl" value="${view.curl}" />
      <input type="hidden" name="curlid" value="${view.token}" />
      <input type="hidden" name="curlmode" value="${String(modes[view.state])}" />
      ${namePart(view)} ${passwordPart(view)}
      ${view.asksPublicPrivate ? computerPart(view.isPrivate === true) : undefined}
      <button type="submit" name="submit">Sign in</button>
    </form>`;
  return page(failed ? 'Not signed in yet' : 'Sign in', content);
}

/** `again`: where to sign in anew. */
export function loggedOutPage(again = '/'): string {
  return page(
    'Signed out',
    html` <h1>You are signed out</h1>
      <p>
        To be on the safe side, close all browser windows, above all on a computer that others use.
      </p>
      <p class="actions"><a class="button" href="${again}">Sign in again</a></p>`
  );
}

/** As clients of a LoadMaster know them; it has none for our own last three. */
const modes: Readonly<Record<LoginState, number>> = {
  plain: 0,
  blocked: 1,
  bad: 2,
  expired: 12,
  unavailable: 0,
  late: 0,
  cookies: 0
};

const notices: Readonly<Record<LoginState, string>> = {
  plain: '',
  blocked:
    'There were too many attempts to sign in with this name, so it has to wait. ' +
    'Please try again later, or ask your help desk.',
  bad: 'That did not work. Please check your user name and your password, and try again.',
  unavailable:
    'Your password cannot be checked at the moment. This is not your fault: ' +
    'please try again in a few minutes.',
  expired: 'Your password has expired. You need a new one before you can sign in.',
  late: 'This page had been open for a while. To keep you safe, please sign in once more.',
  cookies:
    'Your browser did not send our cookie back. Please allow cookies for this site, ' +
    'then sign in again.'
};

/** It stands there when the page opens, so it is focused by nobody: `alert` makes it heard. */
function noticeOf({ state, passwordChange }: LoginView): Markup {
  const change = state === 'expired' ? passwordChange : undefined;
  const kind = state === 'late' ? 'notice calm' : 'notice';
  return html`<div class="${kind}" id="notice" role="alert" aria-live="assertive">
    <p>${change?.message || notices[state]}</p>
    ${
      change !== undefined && /^(?:https?:\/\/|\/(?![/\\]))/i.test(change.url)
        ? html` <p><a href="${change.url}">Change your password</a></p>`
        : undefined
    }
  </div>`;
}

function namePart({ state, user = '' }: LoginView): Markup {
  const focus = user === '' ? html` autofocus` : undefined;
  return html`<div class="field">
    <label for="username">User name</label>
    <input
      id="username"
      name="username"
      type="text"
      value="${user}"
      maxlength="256"
      autocomplete="username"
      autocapitalize="none"
      autocorrect="off"
      spellcheck="false"
      required${focus}${faulty(state)}
    />
  </div>`;
}

function passwordPart({ state, user = '' }: LoginView): Markup {
  const focus = user === '' ? undefined : html` autofocus`;
  return html`<div class="field">
    <label for="password">Password</label>
    <input
      id="password"
      name="password"
      type="password"
      maxlength="256"
      autocomplete="current-password"
      required${focus}${faulty(state)}
    />
  </div>`;
}

/** Which of the two was wrong is not told. */
function faulty(state: LoginState): Markup | undefined {
  return state === 'bad' ? html` aria-invalid="true" aria-describedby="notice"` : undefined;
}

function computerPart(isPrivate: boolean): Markup {
  const checked = html` checked`;
  return html`<fieldset>
    <legend>This computer is</legend>
    <label class="choice">
      <input type="radio" name="pubpriv" value="0" ${isPrivate ? undefined : checked} />
      <span
        ><strong>Public or shared</strong>
        <small>You are signed out soon after you stop working.</small></span
      >
    </label>
    <label class="choice">
      <input type="radio" name="pubpriv" value="1" ${isPrivate ? checked : undefined} />
      <span
        ><strong>Private</strong>
        <small>Only you use it. You stay signed in for longer.</small></span
      >
    </label>
  </fieldset>`;
}

function page(title: string, content: Markup): string {
  return html`<!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <link rel="icon" type="image/svg+xml" href="${loginPath}?LMimage=icon.svg" />
        <link rel="stylesheet" href="${loginPath}?LMimage=style.css" />
      </head>
      <body>
        <main>
          <img
            class="mark"
            src="${loginPath}?LMimage=icon.svg"
            width="40"
            height="40"
            alt=""
          />${content}
        </main>
      </body>
    </html> `.text;
}
