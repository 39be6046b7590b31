// The real server of a request whose service has persistence: where this client was before. Asked at
// the first request that a connection brings to a SubVS; after that the connection stays where it is.

import { isWord } from '../http1/bytes.ts';
import type { AnswerHead } from '../http1/head.ts';
import { findSetCookie } from '../persistence/cookie-text.ts';
import type { Persistence, ServerCookie } from '../service/persistence.ts';
import type { RealServer } from '../service/real-server.ts';
import { chooseRealServer, presentServer } from '../service/select.ts';
import type { Service } from '../service/virtual-service.ts';
import type { Bindings } from './bindings.ts';
import type { Exchange } from './exchange.ts';

type Choice = RealServer | undefined;

/** Only a client that this worker does not know makes it a promise. */
export function choosePersistent(
  exchange: Exchange,
  service: Service,
  persistence: Persistence,
  tried: readonly RealServer[]
): Choice | Promise<Choice> {
  const { session } = exchange;
  const { current } = session.servers;
  const present = current && presentServer(service, current, tried);
  const known = session.persistentIn.includes(service.fullName);
  // A neighbour on the same host is present as well, but not whom a record or cookie names.
  const moves = tried.length > 0 || present?.settings.port !== current?.port;
  if (service.whyDown?.() !== undefined) return schedule(exchange, service, tried);
  if (present !== undefined && stays(exchange, persistence, known && !moves)) {
    if (persistence.refreshes) refresh(exchange, persistence, present);
    return present;
  }
  if (!known) session.persistentIn.push(service.fullName);
  return look(exchange, service, persistence, present, tried);
}

/** Whom the server knows by the connection stays on it, whatever a record may say (NTLM). */
function stays({ session }: Exchange, { always }: Persistence, known: boolean): boolean {
  return session.authenticatesConnection || (known && !always);
}

function look(
  exchange: Exchange,
  service: Service,
  persistence: Persistence,
  present: Choice,
  tried: readonly RealServer[]
): Choice | Promise<Choice> {
  const { facts, traffic } = exchange.session;
  const { ownCookie, keyOf, timeoutMs } = persistence;
  const cookie = ownCookie && facts.cookie(ownCookie.name);
  const named = cookie === undefined ? undefined : ownCookie?.serverOf.get(cookie);
  const chosen = (): Choice => present ?? schedule(exchange, service, tried);
  // A server that is only full gets its client back later.
  if (named !== undefined && isFull(named)) return chosen();
  exchange.setsCookie = ownCookie !== undefined;
  if (named !== undefined && isUsable(service, named, tried)) return named;
  const key = keyOf?.(facts);
  if (key === undefined) return chosen();
  return serverOnRecord({ key, timeoutMs, service, tried }, traffic.bindings, chosen);
}

/** Whose record is looked for, and where it may lead. */
export interface RecordSearch {
  readonly key: string;
  readonly timeoutMs: number;
  readonly service: Service;
  readonly tried: readonly RealServer[];
}

/** The server that the client's record names, else the one that is chosen now and then on record. */
export function serverOnRecord(
  search: RecordSearch,
  bindings: Bindings,
  chosen: () => Choice
): Choice | Promise<Choice> {
  const { key, timeoutMs, service, tried } = search;
  const bound = bindings.find(key);
  if (bound !== undefined && isFull(bound)) return chosen();
  if (bound !== undefined && isUsable(service, bound, tried)) {
    bindings.use(key, bound, timeoutMs);
    return bound;
  }
  return ask(search, bindings, chosen());
}

/** The primary's word, unless that server cannot be had. */
async function ask(
  { key, timeoutMs, service, tried }: RecordSearch,
  bindings: Bindings,
  choice: Choice
): Promise<Choice> {
  // The sorry server is nobody's for longer than it must be.
  const proposal = choice === service.sorryServer ? undefined : choice;
  const failed = new Set([...tried, ...service.realServers.filter((one) => one.suspected)]);
  for (;;) {
    const bound = await bindings.ask(key, proposal, timeoutMs, [...failed]);
    if (bound !== undefined && isUsable(service, bound, tried)) return bound;
    // One that fell under suspicion meanwhile must not stay on record, or the client goes back to it.
    const isNews = bound?.suspected === true && bound !== proposal && !failed.has(bound);
    if (!isNews) return choice;
    failed.add(bound);
  }
}

function schedule(exchange: Exchange, service: Service, tried: readonly RealServer[]): Choice {
  return chooseRealServer(service, undefined, tried, exchange.session.clientAddress);
}

function isUsable(
  { realServers }: Service,
  server: RealServer,
  tried: readonly RealServer[]
): boolean {
  return (
    server.acceptsPersistent &&
    !server.suspected &&
    !tried.includes(server) &&
    realServers.includes(server)
  );
}

function isFull(server: RealServer): boolean {
  return server.settings.enable && server.isUp && !server.isAvailable;
}

/** `refreshPersist`: a request on a connection that stays is a use as well. */
function refresh(exchange: Exchange, persistence: Persistence, present: RealServer): void {
  const { facts, traffic } = exchange.session;
  exchange.setsCookie = persistence.ownCookie !== undefined;
  const key = persistence.keyOf?.(facts);
  if (key !== undefined) traffic.bindings.use(key, present, persistence.timeoutMs);
}

/** The Set-Cookie line that tells the client where it is now; '' where it knows. */
export function ownCookieField({ service, setsCookie, realServer }: Exchange): string {
  if (!setsCookie || realServer === undefined) return '';
  return service?.persistence?.ownCookie?.fieldOf.get(realServer) ?? '';
}

/** Notes the cookies by which the server will want to see this client again. */
export function learnCookie(exchange: Exchange, cookie: ServerCookie, head: AnswerHead): void {
  const { bytes, fields } = head;
  const { realServer, service, session } = exchange;
  const timeoutMs = service?.persistence?.timeoutMs ?? 0;
  if (realServer === undefined || realServer === service?.sorryServer) return;
  for (let n = 0; n < head.fieldCount; n++) {
    const start = fields[n * 4] ?? 0;
    const end = fields[n * 4 + 1] ?? 0;
    if (!isWord(bytes, start, end, 'set-cookie')) continue;
    const value = findSetCookie(head.value(n), cookie.name);
    if (value === undefined || value === '') continue;
    session.traffic.bindings.learn(cookie.keyOf(value), realServer, timeoutMs);
  }
}
