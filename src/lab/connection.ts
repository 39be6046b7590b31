// One client connection from its first request to its end: requests are answered in their order,
// and who has proved his name stays known until the connection closes.

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Socket } from 'node:net';
import { Answer, type Field } from './answer.ts';
import { BrokenRequest, ByteSource } from './byte-source.ts';
import { directories, directoryOf, isAnonymousJson, type DirectoryName } from './directories.ts';
import { isLogOnPage, signInByForm, type OwaSettings } from './owa-forms.ts';
import { RequestBody, type BodyFigures } from './request-body.ts';
import { fieldOf, hasToken, readRequest, type LabRequest } from './request.ts';
import { signIn, type LabUser, type SignIn, type SignInState } from './sign-in.ts';
import type { Pace, Visit } from './visit.ts';

/**
 * What one request was and became; the body's figures grow while it is read. Many are kept, so
 * nothing in it holds on to its connection.
 */
export interface RecordedRequest {
  readonly connection: number;
  readonly secure: boolean;
  readonly request: LabRequest;
  readonly body: Readonly<BodyFigures>;
  readonly user: string;
  /** 0 until the answer has begun. */
  readonly status: number;
}

export interface Host {
  readonly name: string;
  readonly users: readonly LabUser[];
  readonly authenticate: boolean;
  readonly owa: OwaSettings;
  readonly pace: Pace;
  /** Components that are switched off, and what their health page does then. */
  readonly inactive: ReadonlyMap<DirectoryName, 'close' | '503'>;
  readonly onRequest: (record: RecordedRequest) => void;
  readonly onEnd: (record: RecordedRequest) => void;
  readonly changePassword: (user: LabUser, password: string) => void;
}

/** More than this of an unwanted body is not worth reading to keep a connection. */
const unwantedBytesMax = 1024 * 1024;
const lingerMs = 2000;

export async function serveConnection(
  host: Host,
  socket: Socket,
  id: number,
  secure: boolean
): Promise<void> {
  const source = new ByteSource(socket);
  const state: SignInState = { user: undefined, challenge: undefined };
  const gone = new AbortController();
  socket.on('close', () => gone.abort());
  try {
    for (;;) {
      const request = await readRequest(source);
      if (request === undefined) break;
      const exchanged = new Exchanged(host, socket, source, request, state, id, secure);
      host.onRequest(exchanged.record);
      try {
        await serveRequest(host, exchanged, gone.signal);
        if (exchanged.answer.closeAfter) return await linger(socket, source);
        await exchanged.body.drain();
      } finally {
        host.onEnd(exchanged.record);
      }
    }
    socket.end();
  } catch (error) {
    // A client may leave at any moment; anything else is a fault of the stand-in.
    if (!(error instanceof BrokenRequest) && !gone.signal.aborted && !socket.destroyed) throw error;
  } finally {
    socket.destroySoon();
  }
}

class Exchanged {
  readonly record: RecordedRequest & { user: string };
  readonly request: LabRequest;
  readonly body: RequestBody;
  readonly answer: Answer;
  readonly state: SignInState;
  readonly socket: Socket;
  readonly source: ByteSource;
  persistent = false;

  constructor(
    host: Host,
    socket: Socket,
    source: ByteSource,
    request: LabRequest,
    state: SignInState,
    connection: number,
    secure: boolean
  ) {
    this.request = request;
    this.state = state;
    this.socket = socket;
    this.source = source;
    this.body = new RequestBody(source, request, () => {
      const expects = !request.http10 && hasToken(request, 'expect', '100-continue');
      if (expects && record.status === 0) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    });
    const record = { connection, secure, request, body: this.body.figures, user: '', status: 0 };
    this.record = record;
    this.answer = new Answer(socket, request, record, () => commonFields(host.name, this));
  }

  get user(): string {
    return this.record.user;
  }

  set user(name: string) {
    this.record.user = name;
  }
}

async function serveRequest(host: Host, record: Exchanged, signal: AbortSignal): Promise<void> {
  const { answer, body, request } = record;
  const name = directoryOf(request.path);
  record.user = record.state.user ?? '';
  record.persistent = record.state.user !== undefined;
  if (request.path === '/') {
    await body.drain();
    return answer.send(301, [['Location', '/owa/']], '');
  }
  if (name === undefined) {
    await body.drain();
    return answer.send(404, [['Content-Type', 'text/html']], 'Not found');
  }
  if (request.path === `/${name}/healthcheck.htm`) return serveHealth(host, record, name);
  if (host.authenticate && !(await admit(host, record, name))) return;
  const { socket, source, user } = record;
  const { name: serverName, owa, pace, users, changePassword } = host;
  const place = { serverName, owa, pace, users, socket, source, signal, changePassword };
  const visit: Visit = { ...place, request, body, answer, user };
  await directories[name](visit);
}

async function serveHealth(host: Host, record: Exchanged, name: DirectoryName): Promise<void> {
  const { answer, body, socket } = record;
  await body.drain();
  const inactive = host.inactive.get(name);
  if (inactive === 'close') return void socket.destroy();
  if (inactive === '503') return answer.send(503, [['Content-Type', 'text/html']], 'Inactive');
  return answer.send(200, [['Content-Type', 'text/html']], `200 OK<br/>${host.name}`);
}

/** Finds out who asks; answers 401 and returns false where it is nobody known. */
async function admit(host: Host, record: Exchanged, name: DirectoryName): Promise<boolean> {
  const { answer, body, request } = record;
  if (isAnonymousJson(request.path) || isLogOnPage(request.path, host.owa)) return true;
  const hasForm = name === 'owa' || name === 'ecp';
  const form = hasForm
    ? signInByForm(request, host.users, host.owa, record.state.user !== undefined)
    : undefined;
  if (form?.kind === 'stranger') {
    record.user = '';
    answer.closeAfter ||= body.owed > 0;
    await answer.send(form.status, form.fields);
    return false;
  }
  const basicOnly = hasForm && host.owa.signIn === 'basic';
  const result =
    form === undefined
      ? signInByField(host, record, basicOnly)
      : ({ kind: 'user', user: form.account, persistent: false } as const);
  switch (result.kind) {
    case 'user':
      record.user = result.user;
      record.persistent = result.persistent;
      return true;
    case 'challenge':
      record.user = '';
      answer.closeAfter ||= body.owed > unwantedBytesMax && body.declaredBytes !== undefined;
      await answer.send(401, [['WWW-Authenticate', result.value]], '');
      return false;
    case 'refused':
      record.user = '';
      // RFC 9110 10.1.1: whoever waits for a 100 may now keep the body back, so that nobody can
      // tell what the next bytes are.
      answer.closeAfter ||=
        (body.owed > unwantedBytesMax && body.declaredBytes !== undefined) ||
        (hasToken(request, 'expect', '100-continue') && record.source.held === 0 && !body.finished);
      await answer.send(
        401,
        refusal(host.name, basicOnly),
        'You do not have permission to view this page.'
      );
      return false;
  }
}

function signInByField(host: Host, { request, state }: Exchanged, basicOnly: boolean): SignIn {
  const isBasic = /^basic /i.test(fieldOf(request, 'authorization') ?? '');
  return basicOnly && !isBasic ? { kind: 'refused' } : signIn(state, request, host);
}

function refusal(name: string, basicOnly: boolean): readonly Field[] {
  const schemes = [...(basicOnly ? [] : ['Negotiate', 'NTLM']), `Basic realm="${name}"`];
  return [
    ['Content-Type', 'text/html'],
    ...schemes.map((scheme): Field => ['WWW-Authenticate', scheme])
  ];
}

function commonFields(name: string, record: Exchanged): Field[] {
  const fields: Field[] = [
    ['Server', 'Microsoft-IIS/10.0'],
    ['request-id', randomUUID()],
    ['X-FEServer', (name.split('.')[0] ?? name).toUpperCase()],
    ['X-Powered-By', 'ASP.NET'],
    ['Date', new Date().toUTCString()]
  ];
  if (record.user !== '') {
    fields.push(['X-User', record.user], ['Persistent-Auth', String(record.persistent)]);
  }
  return fields;
}

/** Ends the answer, then reads on for a while: a reset could destroy what is still on its way. */
async function linger(socket: Socket, source: ByteSource): Promise<void> {
  socket.end();
  const timer = new AbortController();
  const over = delay(lingerMs, undefined, { signal: timer.signal, ref: false }).catch(() => {});
  const rest = (async (): Promise<void> => {
    while ((await source.readSome(65_536)) !== undefined);
  })();
  await Promise.race([over, rest]).finally(() => timer.abort());
}
