// What pre-authentication changes of a request on its way to the server: our cookies stay here, what
// a client says of who it is does too, and the server hears it from us where it wants to.

import { isFoldedWord } from '../http1/bytes.ts';
import { HeadEdits } from '../http1/head-edits.ts';
import type { AnswerHead, RequestHead } from '../http1/head.ts';
import { setsOurs, withoutOurCookies } from '../gate/cookies.ts';
import { isIdentityFieldAt } from '../gate/identity-fields.ts';
import type { EspSettings } from '../config/model.ts';
import type { Exchange } from './exchange.ts';
import { serverAuthorization } from './pre-auth.ts';

/** Adds to `edits`, or begins them where there is something to change. */
export function guardEdits(
  exchange: Exchange,
  settings: EspSettings,
  before: HeadEdits | undefined
): HeadEdits | undefined {
  const { request, pass, isGuarded, realServer, service } = exchange;
  const { bytes, fields, fieldCount } = request;
  // On guarded paths the server hears who it is from us or from nobody.
  const isOurs = realServer !== service?.sorryServer; // the sorry server is nobody to trust
  const speaks = settings.serverMode === 'basic' && pass !== undefined && isOurs;
  const wanted = isGuarded && speaks ? serverAuthorization(exchange, pass) : undefined;
  // Not even a content rule says it beside us.
  if (wanted !== undefined) before?.drop((name) => name === 'authorization');
  let isSaid = !isGuarded || before !== undefined;
  let edits = before;
  for (let n = 0; n < fieldCount; n++) {
    const start = fields[n * 4] ?? 0;
    const end = fields[n * 4 + 1] ?? 0;
    if (isIdentityFieldAt(bytes, start, end)) {
      (edits ??= new HeadEdits(request)).setField(n, null);
    } else if (isFoldedWord(bytes, start, end, 'cookie')) {
      edits = keepCookies(request, n, before, edits);
    } else if (isGuarded && isFoldedWord(bytes, start, end, 'authorization')) {
      const value = isSaid ? undefined : wanted;
      isSaid = true;
      (edits ??= new HeadEdits(request)).setField(n, value ?? null);
    }
  }
  if (wanted !== undefined && (!isSaid || before !== undefined)) {
    (edits ??= new HeadEdits(request)).add('Authorization', wanted);
  }
  return edits;
}

/** The same for a service without a gate beside one with a form: our cookies come there as well. */
export function cookieEdits(
  request: RequestHead,
  before: HeadEdits | undefined
): HeadEdits | undefined {
  const { bytes, fields, fieldCount } = request;
  let edits = before;
  for (let n = 0; n < fieldCount; n++) {
    if (!isFoldedWord(bytes, fields[n * 4] ?? 0, fields[n * 4 + 1] ?? 0, 'cookie')) continue;
    edits = keepCookies(request, n, before, edits);
  }
  return edits;
}

/** Takes ours out of a Cookie field, and where rules changed some, out of what they made of them. */
function keepCookies(
  request: RequestHead,
  n: number,
  before: HeadEdits | undefined,
  edits: HeadEdits | undefined
): HeadEdits | undefined {
  if (before !== undefined) {
    before.replace('cookie', withoutOurCookies);
    return edits;
  }
  const value = request.value(n);
  const rest = withoutOurCookies(value);
  if (rest === value) return edits;
  const changed = edits ?? new HeadEdits(request);
  changed.setField(n, rest === '' ? null : rest);
  return changed;
}

/** Our cookies are set by us alone: a server could plant somebody else's session. */
export function setCookieEdits(
  head: AnswerHead,
  before: HeadEdits | undefined
): HeadEdits | undefined {
  const { bytes, fields, fieldCount } = head;
  let edits = before;
  for (let n = 0; n < fieldCount; n++) {
    if (!isFoldedWord(bytes, fields[n * 4] ?? 0, fields[n * 4 + 1] ?? 0, 'set-cookie')) continue;
    if (setsOurs(head.value(n))) (edits ??= new HeadEdits(head)).setField(n, null);
  }
  return edits;
}
