// The pages: what they hold, that nothing inserted becomes markup, and that they can be read.

import t from 'tap';
import { html, Markup } from '../../src/gate/markup.ts';
import {
  findAsset,
  loggedOutPage,
  loginPage,
  pageFields,
  type LoginState,
  type LoginView
} from '../../src/gate/pages.ts';
import { colours } from '../../src/gate/style.ts';

const view: LoginView = {
  state: 'plain',
  greeting: 'Please enter your Exchange credentials',
  curl: 'L2fowa',
  token: '0-abc',
  asksPublicPrivate: true
};
const states: readonly LoginState[] = [
  'plain',
  'blocked',
  'bad',
  'unavailable',
  'expired',
  'late',
  'cookies'
];

/** Attributes of the one input of this name. */
function input(page: string, name: string, value?: string): string {
  const tags = [...page.matchAll(/<input[^>]*>/g)]
    .map(([tag]) => tag)
    .filter((tag) => tag.includes(`name="${name}"`))
    .filter((tag) => value === undefined || tag.includes(`value="${value}"`));
  t.equal(tags.length, 1, `one ${name}`);
  return tags[0] ?? '';
}

t.test('the form is what clients of a LoadMaster know', async (t) => {
  const page = loginPage(view);
  t.match(page, '<form id="logonForm" method="post" action="/lm_auth_proxy?LMLogon">');
  t.match(input(page, 'curl'), 'type="hidden" name="curl" value="L2fowa"');
  t.match(input(page, 'curlid'), 'type="hidden" name="curlid" value="0-abc"');
  t.match(input(page, 'curlmode'), 'value="0"');
  t.match(input(page, 'username'), /type="text".*autocomplete="username"/s);
  t.match(input(page, 'password'), /type="password".*maxlength="256".*"current-password"/s);
  t.match(input(page, 'pubpriv', '0'), 'checked');
  t.notMatch(input(page, 'pubpriv', '1'), 'checked');
  t.match(page, '<p class="greeting">Please enter your Exchange credentials</p>');
  const without = loginPage({ ...view, asksPublicPrivate: false, greeting: '' });
  t.notMatch(without, /pubpriv|greeting/);
});

t.test('the form comes back as it was sent, but for the password', async (t) => {
  const page = loginPage({ ...view, state: 'bad', user: 'anna', isPrivate: true });
  t.match(input(page, 'username'), 'value="anna"');
  t.notMatch(input(page, 'username'), 'autofocus');
  t.match(input(page, 'password'), 'autofocus');
  t.notMatch(input(page, 'password'), 'value=');
  t.match(input(page, 'pubpriv', '1'), 'checked');
  t.notMatch(input(page, 'pubpriv', '0'), 'checked');
  t.match(input(page, 'curlmode'), 'value="2"');
});

t.test('each state says something else, aloud; plain says nothing', async (t) => {
  const said = new Set<string>();
  for (const state of states) {
    const page = loginPage({ ...view, state });
    const notice =
      /<div class="notice[^"]*" id="notice" role="alert" aria-live="assertive">(.*?)<\/div>/s;
    const text = notice.exec(page)?.[1]?.trim() ?? '';
    t.equal(text === '', state === 'plain', state);
    said.add(text);
    t.equal(page.includes('aria-describedby="notice"'), state === 'bad', 'the fault of the fields');
  }
  t.equal(said.size, states.length);
});

t.test('an expired password has a link only where there is one, and only to a site', async (t) => {
  const expired = (url: string, message = 'Choose a new one.') =>
    loginPage({ ...view, state: 'expired', passwordChange: { url, message } });
  const good = 'https://mail.example.com/owa/auth/expiredpassword.aspx?url=/owa/auth.owa';
  t.match(expired(good), `<p>Choose a new one.</p>`);
  t.match(expired(good), `<a href="${good}">Change your password</a>`);
  t.match(expired('/owa/auth/expiredpassword.aspx'), '<a href="/owa/auth/expiredpassword.aspx">');
  t.match(expired(good, ''), 'Your password has expired.');
  for (const url of ['javascript:alert(1)', 'data:text/html,x', '//evil.example', '/\\evil', '']) {
    t.notMatch(expired(url), '<a', url);
  }
  t.notMatch(loginPage({ ...view, state: 'expired' }), '<a');
  const passwordChange = { url: good, message: 'x' };
  t.notMatch(loginPage({ ...view, state: 'bad', passwordChange }), '<a', 'told to nobody else');
});

t.test('nothing inserted becomes markup', async (t) => {
  const evil = `"><script>alert('1')</script>&<!--`;
  const clean = loginPage({ ...view, state: 'expired' });
  const page = loginPage({
    ...view,
    state: 'expired',
    greeting: evil,
    curl: evil,
    token: evil,
    user: evil,
    passwordChange: { url: `https://x/${evil}`, message: evil }
  });
  t.notMatch(page, /<script|<!--|alert\('/);
  t.equal(page.split('&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)').length - 1, 6);
  const tags = (text: string) =>
    (text.match(/<[a-z]+/g) ?? []).filter((tag) => tag !== '<a').length;
  t.equal(tags(page), tags(clean) + 1, 'one more paragraph, for the link');
  t.notMatch(loggedOutPage('"><b>'), '<b>');
});

t.test('markup', async (t) => {
  t.equal(
    html`<p title="${'a"b'}">${"<&>'"}</p>`.text,
    '<p title="a&quot;b">&lt;&amp;&gt;&#39;</p>'
  );
  t.equal(html`${html`<b>${'<'}</b>`}${undefined}`.text, '<b>&lt;</b>');
  t.equal(html`${'a\0\u0085\x1b[1m\r\n\tb'}`.text, 'a[1m\n\tb', 'no control characters');
  t.ok(html`` instanceof Markup);
});

t.test('the pages need nothing from elsewhere and no script', async (t) => {
  for (const page of [...states.map((state) => loginPage({ ...view, state })), loggedOutPage()]) {
    t.match(page, /^<!doctype html>\s*<html lang="en">/i);
    t.notMatch(page, /<script|<style|\sstyle=|\son\w+=|https?:/i);
    const loaded = [...page.matchAll(/(?:<link[^>]*href|src)="([^"]*)"/g)].map(
      ([, url]) => url ?? ''
    );
    t.ok(loaded.length >= 3);
    for (const url of loaded) {
      const file = /^\/lm_auth_proxy\?LMimage=(.+)$/.exec(url)?.[1] ?? '';
      t.ok(findAsset(file), url);
    }
    // Each label has its field.
    for (const [, id] of page.matchAll(/<label for="(\w+)"/g)) t.match(page, `id="${id}"`);
    t.equal((page.match(/autofocus/g) ?? []).length, page.includes('<form') ? 1 : 0);
  }
});

t.test('only the assets are served', async (t) => {
  t.match(findAsset('style.css')?.fields, /^Content-Type: text\/css; charset=utf-8\r\nContent-Sec/);
  t.match(findAsset('icon.svg')?.body, '<svg');
  t.notMatch(findAsset('style.css')?.body, /url\(|@import/);
  for (const file of [
    '',
    'x',
    '../style.css',
    'STYLE.CSS',
    '__proto__',
    'constructor',
    'style.css?'
  ]) {
    t.equal(findAsset(file), undefined, file);
  }
});

t.test('the fields of every page', async (t) => {
  for (const field of [
    'Content-Type: text/html; charset=utf-8',
    "Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' https:; frame-ancestors 'none'; base-uri 'none'",
    'X-Frame-Options: DENY',
    'X-Content-Type-Options: nosniff',
    'Referrer-Policy: no-referrer',
    'Cache-Control: no-store'
  ]) {
    t.ok(pageFields.split('\r\n').includes(field), field);
  }
  t.match(pageFields, /[^\r\n]\r\n$/);
});

t.test('colours can be told apart (WCAG 2.2 1.4.3 and 1.4.11)', async (t) => {
  for (const [name, c] of Object.entries(colours)) {
    for (const [what, front, back, least] of [
      ['text', c.text, c.card, 4.5],
      ['quiet text', c.quiet, c.card, 4.5],
      ['link', c.accent, c.card, 4.5],
      ['link under the pointer', c.accentOver, c.card, 4.5],
      ['button', c.onAccent, c.accent, 4.5],
      ['button under the pointer', c.onAccent, c.accentOver, 4.5],
      ['notice', c.alert, c.alertGround, 4.5],
      ['calm notice', c.calm, c.calmGround, 4.5],
      ['edge of a field', c.edge, c.card, 3],
      ['edge of a faulty field', c.alert, c.card, 3],
      ['focus', c.accent, c.card, 3]
    ] as const) {
      const ratio = contrast(front, back);
      t.ok(ratio >= least, `${name}: ${what} ${ratio.toFixed(2)}`);
    }
  }
  t.equal(contrast('#000000', '#ffffff'), 21);
});

function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
