// What a client does in its mailbox. A session has a view of its own, since numbers of messages may
// change only where the protocol says so (RFC 9051 7.5.1).

import { fetchItems, type FetchItem } from './imap-fetch.ts';
import type { ImapCommand, Token } from './imap-command.ts';
import type { ImapSession, RunImap } from './imap.ts';
import type { Mailbox, Message } from './mailbox.ts';

export interface Selected {
  readonly inbox: Mailbox;
  /** As the client counts them. */
  readonly view: Message[];
  readonly readOnly: boolean;
}

const badArguments = 'BAD Command Argument Error. 11';
const wrongState = 'BAD Command received in Invalid state.';
const noMailbox = "NO Mailbox doesn't exist.";

export const mailboxCommands: Readonly<Record<string, RunImap>> = {
  SELECT: (session, [name]) => select(session, name, false),
  EXAMINE: (session, [name]) => select(session, name, true),
  LIST: (session, tokens) => list(session, 'LIST', tokens),
  LSUB: (session, tokens) => list(session, 'LSUB', tokens),
  SUBSCRIBE: () => Promise.resolve('OK SUBSCRIBE completed.'),
  UNSUBSCRIBE: () => Promise.resolve('OK UNSUBSCRIBE completed.'),
  async NAMESPACE({ client }) {
    await client.say('* NAMESPACE (("" "/")) NIL NIL');
    return 'OK NAMESPACE completed.';
  },
  async STATUS({ client, ...session }, [name, items]) {
    if (!isInbox(name)) return noMailbox;
    const inbox = inboxOf(session);
    const unseen = inbox.messages.filter(({ flags }) => !flags.has('\\Seen')).length;
    const facts: Record<string, number> = {
      MESSAGES: inbox.messages.length,
      RECENT: 0,
      UIDNEXT: inbox.nextUid,
      UIDVALIDITY: inbox.uidValidity,
      UNSEEN: unseen
    };
    if (typeof items === 'string' || items === undefined) return badArguments;
    const row = items.map((item) => `${String(item)} ${facts[String(item).toUpperCase()] ?? 0}`);
    await client.say(`* STATUS INBOX (${row.join(' ')})`);
    return 'OK STATUS completed.';
  },
  async APPEND(session, [name, ...rest]) {
    const flags = rest.find((token) => typeof token !== 'string') ?? [];
    const bytes = rest.at(-1);
    if (!isInbox(name)) return noMailbox;
    if (typeof bytes !== 'string') return badArguments;
    const inbox = inboxOf(session);
    const { uid } = inbox.deliver(Buffer.from(bytes, 'latin1'), flags.map(String));
    await tellNews(session);
    return `OK [APPENDUID ${inbox.uidValidity} ${uid}] APPEND completed.`;
  },
  async CHECK(session) {
    await tellNews(session);
    return 'OK CHECK completed.';
  },
  async UNSELECT(session) {
    session.selected = undefined;
    return 'OK UNSELECT completed.';
  },
  async CLOSE(session) {
    const { selected } = session;
    session.selected = undefined;
    if (selected?.readOnly === false) selected.inbox.remove(deletedIn(selected));
    return 'OK CLOSE completed.';
  },
  async EXPUNGE(session) {
    const { selected } = session;
    if (selected === undefined || selected.readOnly) return wrongState;
    selected.inbox.remove(deletedIn(selected));
    await tellNews(session);
    return 'OK EXPUNGE completed.';
  },
  FETCH: fetch,
  STORE: store,
  SEARCH: search,
  IDLE: idle
};

async function select(
  session: ImapSession,
  name: Token | undefined,
  readOnly: boolean
): Promise<string> {
  session.selected = undefined;
  if (!isInbox(name)) return noMailbox;
  const inbox = inboxOf(session);
  const view = [...inbox.messages];
  session.selected = { inbox, view, readOnly };
  await session.client.say(
    [
      `* ${view.length} EXISTS`,
      '* 0 RECENT',
      '* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)',
      '* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)] Permanent flags',
      `* OK [UIDVALIDITY ${inbox.uidValidity}] UIDVALIDITY value`,
      `* OK [UIDNEXT ${inbox.nextUid}] The next unique identifier value`
    ].join('\r\n')
  );
  return readOnly ? 'OK [READ-ONLY] EXAMINE completed.' : 'OK [READ-WRITE] SELECT completed.';
}

async function list(
  { client }: ImapSession,
  command: string,
  [, pattern]: readonly Token[]
): Promise<string> {
  if (pattern === '') await client.say(`* ${command} (\\Noselect) "/" ""`);
  else if (isInbox(pattern) || /[*%]/.test(String(pattern))) {
    await client.say(`* ${command} (\\HasNoChildren) "/" INBOX`);
  }
  return `OK ${command} completed.`;
}

async function fetch(
  session: ImapSession,
  [set, wanted]: readonly Token[],
  { byUid }: ImapCommand
): Promise<string> {
  const { client, selected } = session;
  if (selected === undefined) return wrongState;
  const items = wanted === undefined ? undefined : fetchItems(wanted, byUid);
  const chosen = choose(selected, set, byUid);
  if (items === undefined || chosen === undefined) return badArguments;
  for (const [number, message] of chosen) {
    await client.send(fetchRow(number, message, items, selected.readOnly));
  }
  return 'OK FETCH completed.';
}

function fetchRow(
  number: number,
  message: Message,
  items: readonly FetchItem[],
  readOnly: boolean
): Buffer {
  const before = message.flags.has('\\Seen');
  if (!readOnly && items.some(({ marks }) => marks)) message.flags.add('\\Seen');
  const tell =
    message.flags.has('\\Seen') !== before && !items.some(({ name }) => name === 'FLAGS');
  const parts: Buffer[] = [Buffer.from(`* ${number} FETCH (`)];
  items.forEach(({ name, value }, at) => {
    const content = value(message);
    const text = typeof content === 'string' ? content : `{${content.length}}\r\n`;
    parts.push(Buffer.from(`${at === 0 ? '' : ' '}${name} ${text}`, 'latin1'));
    if (typeof content !== 'string') parts.push(content);
  });
  if (tell) parts.push(Buffer.from(` FLAGS (${[...message.flags].join(' ')})`));
  return Buffer.concat([...parts, Buffer.from(')\r\n')]);
}

async function store(
  session: ImapSession,
  [set, how, flags]: readonly Token[],
  { byUid }: ImapCommand
): Promise<string> {
  const { client, selected } = session;
  if (selected === undefined || selected.readOnly) return wrongState;
  const [, sign, silent] = /^([+-]?)FLAGS(\.SILENT)?$/i.exec(String(how)) ?? [];
  const chosen = choose(selected, set, byUid);
  if (sign === undefined || chosen === undefined || flags === undefined) return badArguments;
  const names = typeof flags === 'string' ? [flags] : flags.map(String);
  for (const [number, message] of chosen) {
    if (sign === '') message.flags.clear();
    for (const name of names) {
      if (sign === '-') message.flags.delete(name);
      else message.flags.add(name);
    }
    const uid = byUid ? `UID ${message.uid} ` : '';
    const row = `* ${number} FETCH (${uid}FLAGS (${[...message.flags].join(' ')}))`;
    if (silent === undefined) await client.say(row);
  }
  return 'OK STORE completed.';
}

/** Keys of flags, numbers and ids; of any other it finds all. */
async function search(
  session: ImapSession,
  keys: readonly Token[],
  { byUid }: ImapCommand
): Promise<string> {
  const { client, selected } = session;
  if (selected === undefined) return wrongState;
  let found = [...selected.view.entries()].map(([at, message]) => [at + 1, message] as const);
  for (const [at, key] of keys.entries()) {
    const word = String(key).toUpperCase();
    const [, not, flag] = /^(UN)?(SEEN|DELETED|FLAGGED|ANSWERED|DRAFT)$/.exec(word) ?? [];
    if (flag !== undefined) {
      const name = `\\${flag.charAt(0)}${flag.slice(1).toLowerCase()}`;
      found = found.filter(([, { flags }]) => flags.has(name) === (not === undefined));
    } else if (word === 'UID' || /^[\d:,*]+$/.test(word)) {
      if (String(keys[at - 1]).toUpperCase() === 'UID') continue;
      const inSet = choose(selected, word === 'UID' ? keys[at + 1] : key, word === 'UID');
      if (inSet === undefined) return badArguments;
      const numbers = new Set(inSet.map(([number]) => number));
      found = found.filter(([number]) => numbers.has(number));
    }
  }
  const hits = found.map(([number, { uid }]) => ` ${byUid ? uid : number}`);
  await client.say(`* SEARCH${hits.join('')}`);
  return 'OK SEARCH completed.';
}

/** RFC 2177: tells what is new until the client says DONE. */
async function idle(session: ImapSession): Promise<string | undefined> {
  const { client } = session;
  if (client.saidMore) client.note('bytes behind IDLE');
  await client.say('+ IDLE accepted, awaiting DONE command.');
  const done = client.readLine();
  const unwatch = inboxOf(session).watch(() => void tellNews(session).catch(() => {}));
  try {
    await tellNews(session);
    const line = await done;
    if (line === undefined) return undefined;
    return line.toUpperCase() === 'DONE' ? 'OK IDLE completed.' : wrongState;
  } finally {
    unwatch();
  }
}

/** Brings the client's view up to date. */
export async function tellNews({ client, selected }: ImapSession): Promise<void> {
  if (selected === undefined) return;
  const { inbox, view } = selected;
  const rows: string[] = [];
  const present = new Set(inbox.messages);
  for (const [at, message] of [...view.entries()].toReversed()) {
    if (present.has(message)) continue;
    view.splice(at, 1);
    rows.push(`* ${at + 1} EXPUNGE`);
  }
  const lastUid = view.at(-1)?.uid ?? 0;
  const fresh = inbox.messages.filter(({ uid }) => uid > lastUid);
  view.push(...fresh);
  if (fresh.length > 0) rows.push(`* ${view.length} EXISTS`);
  if (rows.length > 0) await client.say(rows.join('\r\n'));
}

/** The messages of a set such as `1:3,5,7:*`; undefined where it is none. */
function choose(
  { view }: Selected,
  set: Token | undefined,
  byUid: boolean
): (readonly [number: number, message: Message])[] | undefined {
  if (
    typeof set !== 'string' ||
    !/^(?:\d+|\*)(?::(?:\d+|\*))?(?:,(?:\d+|\*)(?::(?:\d+|\*))?)*$/.test(set)
  ) {
    return undefined;
  }
  const last = byUid ? (view.at(-1)?.uid ?? 0) : view.length;
  const ranges = set.split(',').map((range) => {
    const ends = range.split(':').map((end) => (end === '*' ? last : Number(end)));
    return [Math.min(...ends), Math.max(...ends)] as const;
  });
  return [...view.entries()]
    .map(([at, message]) => [at + 1, message] as const)
    .filter(([number, { uid }]) => {
      const value = byUid ? uid : number;
      return ranges.some(([from, to]) => value >= from && value <= to);
    });
}

function deletedIn({ view }: Selected): ReadonlySet<Message> {
  return new Set(view.filter(({ flags }) => flags.has('\\Deleted')));
}

function isInbox(name: Token | undefined): boolean {
  return typeof name === 'string' && name.toUpperCase() === 'INBOX';
}

function inboxOf({ host, user }: Pick<ImapSession, 'host' | 'user'>): Mailbox {
  if (user === undefined) throw new Error('nobody logged on');
  return host.store.inbox(user);
}
