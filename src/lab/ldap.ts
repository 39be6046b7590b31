// A stand-in for an Active Directory, as far as Ballast asks one: simple binds with its error texts,
// what it tells of itself, users and groups, StartTLS. It keeps what it was asked, no password ever.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import {
  elementsOf,
  lengthOf,
  MalformedBer,
  numberOf,
  tags,
  textOf,
  contentOf,
  write,
  writeNumber,
  type Element
} from './ber.ts';
import { LdapAccounts, rootEntry, type LdapAccount, type LdapGroup } from './ldap-accounts.ts';
import type { BindError, Entry } from './ldap-accounts.ts';
import { readFilter } from './ldap-filter.ts';
import { listen, openSockets, stop, type Place } from './listeners.ts';

export interface LdapOptions extends Place {
  /** DNS name of the domain. */
  readonly domain: string;
  readonly accounts: readonly LdapAccount[];
  readonly groups?: readonly LdapGroup[];
  /** For StartTLS, without which it is refused. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** One answered question. */
export interface LdapRecord {
  readonly operation: 'bind' | 'search' | 'starttls';
  /** Who bound, or where a search began. */
  readonly name: string;
  readonly secure: boolean;
  readonly code: number;
}

export interface Ldap {
  readonly port: number;
  readonly records: readonly LdapRecord[];
  setPassword(name: string, password: string): void;
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
}

const messageBytesMax = 64 * 1024;
const idleTimeMs = 60_000;
const connectionsMax = 100;
const recordsMax = 1000;

const operations = {
  bind: 0x60,
  bindAnswer: 0x61,
  unbind: 0x42,
  search: 0x63,
  searchEntry: 0x64,
  searchDone: 0x65,
  abandon: 0x50,
  extended: 0x77,
  extendedAnswer: 0x78
} as const;

/** RFC 4511 4.1.9. */
const codes = {
  success: 0,
  operationsError: 1,
  protocolError: 2,
  sizeLimitExceeded: 4,
  authMethodNotSupported: 7,
  noSuchObject: 32,
  invalidCredentials: 49,
  unavailable: 52
} as const;

const startTlsName = '1.3.6.1.4.1.1466.20037';
const disconnectionName = '1.3.6.1.4.1.1466.20036';

export async function startLdap(options: LdapOptions): Promise<Ldap> {
  const accounts = new LdapAccounts(options.domain, options.accounts, options.groups);
  const context = options.tls && createSecureContext(options.tls);
  const records: LdapRecord[] = [];
  const note = (record: LdapRecord): void => {
    records.push(record);
    if (records.length > recordsMax) records.shift();
  };
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.setTimeout(idleTimeMs, () => socket.destroy());
    new LdapConnection(socket, accounts, context, note).receive();
  });
  server.maxConnections = connectionsMax;
  const sockets = openSockets([server]);
  const port = await listen(server, options);
  return {
    port,
    records,
    setPassword: (name, password) => accounts.setPassword(name, password),
    close: () => stop([server], sockets, (socket) => socket.destroy())
  };
}

class LdapConnection {
  #socket: Socket;
  readonly #accounts: LdapAccounts;
  readonly #context: SecureContext | undefined;
  readonly #note: (record: LdapRecord) => void;
  #held: Buffer = Buffer.alloc(0);
  /** A name was bound; nobody else learns anything. */
  #isBound = false;

  constructor(
    socket: Socket,
    accounts: LdapAccounts,
    context: SecureContext | undefined,
    note: (record: LdapRecord) => void
  ) {
    this.#socket = socket;
    this.#accounts = accounts;
    this.#context = context;
    this.#note = note;
  }

  receive(): void {
    this.#socket.on('data', this.#onData);
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#held = Buffer.concat([this.#held, bytes]);
    try {
      for (;;) {
        const [first = tags.sequence] = this.#held;
        if (first !== tags.sequence) throw new MalformedBer('not LDAP');
        const length = lengthOf(this.#held) ?? 0;
        if (length > messageBytesMax) throw new MalformedBer('message too long');
        if (length === 0 || length > this.#held.length) return;
        const message = this.#held.subarray(0, length);
        this.#held = this.#held.subarray(length);
        this.#obey(message);
      }
    } catch (error) {
      if (!(error instanceof MalformedBer)) throw error;
      this.#disconnect(error.message);
    }
  };

  #obey(message: Buffer): void {
    const [whole] = elementsOf(message);
    // Controls, which would be a third, are passed over.
    const [id, operation] = elementsOf(contentOf(whole, tags.sequence));
    const n = numberOf(id);
    switch (operation?.tag) {
      case operations.bind:
        return this.#bind(n, operation);
      case operations.search:
        return this.#search(n, operation);
      case operations.extended:
        return this.#extend(n, operation);
      case operations.unbind:
        return void this.#socket.end();
      case operations.abandon:
        return;
      case undefined:
      default:
        throw new MalformedBer('operation that is not had here');
    }
  }

  #bind(n: number, operation: Element): void {
    const [version, name, authentication] = elementsOf(operation.bytes);
    const user = textOf(name);
    this.#isBound = false;
    const answer = (code: number, text = ''): void => {
      this.#record('bind', user, code);
      this.#send(n, operations.bindAnswer, result(code, text));
    };
    if (numberOf(version) !== 3) return answer(codes.protocolError);
    if (authentication?.tag !== 0x80) return answer(codes.authMethodNotSupported);
    const password = authentication.bytes.toString('utf8');
    // RFC 4513 5.1.2: success, and nobody is signed in. Whoever asks must know that.
    if (password === '') return answer(codes.success);
    const error = this.#accounts.judgeBind(user, password);
    if (error !== undefined) return answer(codes.invalidCredentials, bindErrorText(error));
    this.#isBound = true;
    answer(codes.success);
  }

  #search(n: number, operation: Element): void {
    const [base, scope, , sizeLimit, , , filter, attributes] = elementsOf(operation.bytes);
    const baseName = textOf(base);
    const isBase = numberOf(scope, tags.enumerated) === 0;
    const most = numberOf(sizeLimit) || Number.POSITIVE_INFINITY;
    if (filter === undefined) throw new MalformedBer('search without a filter');
    const wanted = elementsOf(contentOf(attributes, tags.sequence)).map((one) => textOf(one));
    const finish = (code: number, text = ''): void => {
      this.#record('search', baseName, code);
      this.#send(n, operations.searchDone, result(code, text));
    };
    const isRoot = baseName === '' && isBase;
    if (!isRoot && !this.#isBound) return finish(codes.operationsError, notBound);
    const entries = isRoot ? [rootEntry(this.#accounts)] : this.#accounts.entries;
    const within = entries.filter(({ dn }) => isWithin(dn, baseName, isBase));
    if (within.length === 0) return finish(codes.noSuchObject);
    const found = within.filter(readFilter(filter, entries));
    for (const entry of found.slice(0, most)) {
      this.#send(n, operations.searchEntry, entryAnswer(entry, wanted));
    }
    finish(found.length > most ? codes.sizeLimitExceeded : codes.success);
  }

  #extend(n: number, operation: Element): void {
    const [name] = elementsOf(operation.bytes);
    const isStartTls = textOf(name, 0x80) === startTlsName;
    const code = !isStartTls
      ? codes.protocolError
      : this.#context === undefined
        ? codes.unavailable
        : codes.success;
    if (isStartTls) this.#record('starttls', '', code);
    // RFC 4511 4.14.1: nothing may follow until the answer is there, and there is TLS but once.
    if (this.#held.length > 0 || this.#socket instanceof TLSSocket) {
      throw new MalformedBer('bytes behind StartTLS, or TLS already');
    }
    this.#send(n, operations.extendedAnswer, result(code, ''));
    if (code === codes.success) void this.#startTls();
  }

  async #startTls(): Promise<void> {
    const plain = this.#socket;
    plain.off('data', this.#onData);
    const secure = new TLSSocket(plain, { isServer: true, secureContext: this.#context });
    secure.on('error', () => plain.destroy());
    this.#socket = secure;
    await once(secure, 'secure').catch(() => {});
    this.receive();
  }

  #record(operation: LdapRecord['operation'], name: string, code: number): void {
    this.#note({ operation, name, secure: this.#socket instanceof TLSSocket, code });
  }

  #send(n: number, operation: number, ...parts: readonly Buffer[]): void {
    this.#socket.write(write(tags.sequence, writeNumber(n), write(operation, ...parts)));
  }

  /** RFC 4511 4.4.1: the last word, to nobody's question. */
  #disconnect(reason: string): void {
    this.#socket.off('data', this.#onData).resume();
    const name = write(0x8a, disconnectionName);
    this.#send(0, operations.extendedAnswer, result(codes.protocolError, reason), name);
    this.#socket.destroySoon();
  }
}

const notBound =
  '000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind ' +
  'must be completed on the connection., data 0, v3839';

function bindErrorText(error: NonNullable<BindError>): string {
  return (
    `80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data ${error}, ` +
    'v3839'
  );
}

function result(code: number, text: string): Buffer {
  const parts = [write(tags.octets), write(tags.octets, text)];
  return Buffer.concat([writeNumber(code, tags.enumerated), ...parts]);
}

function entryAnswer({ dn, attributes }: Entry, wanted: readonly string[]): Buffer {
  const names = new Set(wanted.map((name) => name.toLowerCase()));
  const all = names.size === 0 || names.has('*');
  const told = [...attributes].filter(([name]) => all || names.has(name));
  const list = told.map(([, { name, values }]) => {
    const set = write(tags.set, ...values.map((value) => write(tags.octets, value)));
    return write(tags.sequence, write(tags.octets, name), set);
  });
  return Buffer.concat([write(tags.octets, dn), write(tags.sequence, ...list)]);
}

/** Whether an entry is `base`, or below it. */
function isWithin(dn: string, base: string, isBase: boolean): boolean {
  const [name, place] = [dn.toLowerCase(), base.toLowerCase()];
  return name === place || (!isBase && name.endsWith(`,${place}`));
}
