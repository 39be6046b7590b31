// The only door to ldapts: one connection to one directory server, for one question. It is closed
// when the question is answered, and nothing of a password outlives it here.

import { AndFilter, Client, EqualityFilter, ExtensibleFilter, OrFilter } from 'ldapts';
import { PresenceFilter, ResultCodeError, type Filter } from 'ldapts';
import type { Socket } from 'node:net';
import type { ServerAddress } from './settings.ts';
import { explainCode, judgeBind, type Verdict } from './verdict.ts';
import { openWire, type WireOptions } from './wire.ts';

export type { Filter };

export interface SearchOptions {
  readonly base: string;
  readonly scope: 'base' | 'sub';
  readonly filter: Filter;
  /** `objectSid` comes as bytes. */
  readonly attributes: readonly string[];
  readonly entriesMax: number;
}

export interface Entry {
  readonly dn: string;
  values(attribute: string): readonly (string | Buffer)[];
}

export interface Conversation {
  /** Throws where the connection fails; a refusal is a verdict. */
  bind(name: string, password: string): Promise<Verdict>;
  /** Throws where the connection fails or the server refuses. Referrals are not followed. */
  search(options: SearchOptions): Promise<readonly Entry[]>;
}

/** The server could not be asked, or could not answer. The message has nothing of the question. */
export class DirectoryFailure extends Error {}

export interface ConversationOptions extends WireOptions {
  /** Of all of it, dialling included. */
  readonly timeoutMs: number;
  /** Ends it earlier. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a connection for `talk`, and closes it. Throws a DirectoryFailure when it, or any step of
 * what was said, failed or took too long.
 */
export async function converse<Result>(
  server: ServerAddress,
  options: ConversationOptions,
  talk: (conversation: Conversation) => Promise<Result>
): Promise<Result> {
  const end = new AbortController();
  const ended = Promise.withResolvers<never>();
  const endWith = (reason: string): void => {
    const error = new Error(reason);
    end.abort(error);
    ended.reject(error);
  };
  const { timeoutMs, signal } = options;
  const timer = setTimeout(() => endWith(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
  const stop = (): void => endWith('not asked any more');
  signal?.addEventListener('abort', stop);
  if (signal?.aborted === true) stop();
  try {
    return await Promise.race([ended.promise, converseUntil(server, options, end.signal, talk)]);
  } catch (error) {
    throw error instanceof DirectoryFailure ? error : new DirectoryFailure(explain(error));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    end.abort();
  }
}

async function converseUntil<Result>(
  server: ServerAddress,
  options: WireOptions,
  signal: AbortSignal,
  talk: (conversation: Conversation) => Promise<Result>
): Promise<Result> {
  const wire = await openWire(server, options, signal);
  signal.addEventListener('abort', () => wire.destroy());
  if (signal.aborted) wire.destroy();
  // A Duplex that is open, which is all that the library needs of a socket.
  const socket = Object.assign(wire, { connecting: false, readyState: 'open' });
  const client = new Client({
    url: 'ldap://directory.invalid',
    createConnection: () => socket as unknown as Socket
  });
  try {
    // The library does not always tell that a connection ended, or why.
    return await Promise.race([wire.ended, talk(new ClientConversation(client))]);
  } finally {
    // Out of politeness: nobody waits for it.
    void client.unbind().catch(() => {});
    wire.destroy();
  }
}

class ClientConversation implements Conversation {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async bind(name: string, password: string): Promise<Verdict> {
    try {
      await this.#client.bind(name, password);
      return judgeBind(0, '');
    } catch (error) {
      if (error instanceof ResultCodeError) return judgeBind(error.code, error.message);
      throw error;
    }
  }

  async search(options: SearchOptions): Promise<readonly Entry[]> {
    const { base, scope, filter, attributes, entriesMax } = options;
    try {
      const { searchEntries } = await this.#client.search(base, {
        scope,
        filter,
        attributes: [...attributes],
        explicitBufferAttributes: ['objectSid'],
        sizeLimit: entriesMax
      });
      return searchEntries.map((entry) => ({
        dn: entry.dn,
        values: (attribute) => [entry[attribute] ?? []].flat()
      }));
    } catch (error) {
      if (!(error instanceof ResultCodeError)) throw error;
      throw new DirectoryFailure(`it answered a search: ${explainCode(error.code)}`);
    }
  }
}

/** Values stand in filters as bytes, never as text that is parsed: there is nothing to escape. */
export function equals(attribute: string, value: string | Buffer): Filter {
  return new EqualityFilter({ attribute, value });
}

export function isThere(attribute: string): Filter {
  return new PresenceFilter({ attribute });
}

export function allOf(...filters: readonly Filter[]): Filter {
  return new AndFilter({ filters: [...filters] });
}

export function anyOf(...filters: readonly Filter[]): Filter {
  return new OrFilter({ filters: [...filters] });
}

/** MS-ADTS LDAP_MATCHING_RULE_TRANSITIVE_EVAL: the value, or what leads to it. */
export function leadsTo(attribute: string, value: string): Filter {
  return new ExtensibleFilter({
    matchType: attribute,
    rule: '1.2.840.113556.1.4.1941',
    value
  });
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown trouble';
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) return error.message;
  return reasons[code] ?? (code.startsWith('ERR_SSL_') ? noTls : error.message.slice(0, 200));
}

const noTls = 'it does not speak TLS as we do; is it the port for ldap-ldaps?';
const notTrusted = 'its certificate is signed by nobody whom we trust; caFile says who may sign it';

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ENOTFOUND: 'no address for its name',
  EAI_AGAIN: 'no answer from the name servers',
  EHOSTUNREACH: 'no way to its network',
  ENETUNREACH: 'no way to its network',
  EPROTO: noTls,
  SELF_SIGNED_CERT_IN_CHAIN: notTrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: notTrusted,
  UNABLE_TO_GET_ISSUER_CERT: notTrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: notTrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: notTrusted,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name than the one under server',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet'
};
