// Is somebody in one of these groups? Asked of an Active Directory, over a connection that is bound
// already. In a few searches whatever the size of the groups: the directory does the walking.

import {
  allOf,
  anyOf,
  equals,
  isThere,
  leadsTo,
  type Conversation,
  type Entry,
  type Filter
} from './ldap.ts';

export interface GroupList {
  /** By sAMAccountName or, where no group has that, by cn. */
  readonly names: readonly string[];
  /** Members of groups in those groups count. */
  readonly nested: boolean;
}

export interface Memberships {
  /**
   * Of each list: is he in one of its groups? Undefined = nobody can say, since there is no such group,
   * or no one entry for him.
   */
  readonly memberOf: readonly (boolean | undefined)[];
  /** What of the configuration does not fit this directory; '' = nothing. */
  readonly groupTrouble: string;
}

/** A name with as many groups is ambiguous anyway. */
const groupsFoundMax = 200;
/** supportedCapabilities of an Active Directory (MS-ADTS 3.1.1.3.4.3.1). */
const activeDirectory = '1.2.840.113556.1.4.800';

export interface Account {
  readonly accountName: string;
  /** `user@domain`, where he is known to the directory by that. */
  readonly principal: string | undefined;
}

export interface SearchBases {
  /** Of all accounts. */
  readonly domain: string;
  /** Where the permitted groups are looked for. */
  readonly groups: string;
}

/** Where an Active Directory keeps its accounts; undefined where it is none. */
export async function findBase(conversation: Conversation): Promise<string | undefined> {
  const [root] = await conversation.search({
    base: '',
    scope: 'base',
    filter: isThere('objectClass'),
    attributes: ['defaultNamingContext', 'supportedCapabilities'],
    entriesMax: 1
  });
  const base = root?.values('defaultNamingContext')[0];
  const isActiveDirectory = root?.values('supportedCapabilities').includes(activeDirectory);
  return isActiveDirectory === true && typeof base === 'string' ? base : undefined;
}

export async function findMemberships(
  conversation: Conversation,
  account: Account,
  bases: SearchBases,
  lists: readonly GroupList[]
): Promise<Memberships> {
  const user = await findUser(conversation, account, bases.domain);
  if (user === undefined) {
    return { memberOf: lists.map(() => undefined), groupTrouble: 'no one entry for this user' };
  }
  const wanted = [...new Set(lists.flatMap(({ names }) => names))];
  const groups = await findGroups(conversation, wanted, bases.groups);
  const memberOf: (boolean | undefined)[] = [];
  for (const { names, nested } of lists) {
    const permitted = names.flatMap((one) => groups.get(one) ?? []);
    const isMember = await isInOne(conversation, user, permitted, nested, bases.domain);
    memberOf.push(isMember || permitted.length === names.length ? isMember : undefined);
  }
  const unknown = wanted.filter((one) => !groups.has(one)).map((one) => JSON.stringify(one));
  const groupTrouble = unknown.length > 0 ? `no one group of this name: ${unknown.join(', ')}` : '';
  return { memberOf, groupTrouble };
}

async function isInOne(
  conversation: Conversation,
  user: Entry,
  permitted: readonly Entry[],
  nested: boolean,
  base: string
): Promise<boolean> {
  if (permitted.length === 0) return false;
  const leads = anyOf(
    ...permitted.map(({ dn }) => (nested ? leadsTo('memberOf', dn) : equals('memberOf', dn)))
  );
  return (
    (await hasEntry(conversation, user.dn, 'base', leads)) ||
    isInByPrimaryGroup(conversation, user, permitted, nested ? leads : undefined, base)
  );
}

/** A principal name belongs to who has it as his own, else to who has its account name. */
async function findUser(
  conversation: Conversation,
  { accountName, principal }: Account,
  base: string
): Promise<Entry | undefined> {
  const byName = equals('sAMAccountName', accountName);
  const found = await conversation.search({
    base,
    scope: 'sub',
    filter: allOf(
      equals('objectClass', 'user'),
      principal === undefined ? byName : anyOf(byName, equals('userPrincipalName', principal))
    ),
    attributes: ['userPrincipalName', 'primaryGroupID', 'objectSid'],
    entriesMax: 3
  });
  const owner = found.find((entry) => hasValue(entry, 'userPrincipalName', principal));
  return owner ?? (found.length === 1 ? found[0] : undefined);
}

/** The account name is unique in a domain; a cn is not, so it counts only where one group has it. */
async function findGroups(
  conversation: Conversation,
  names: readonly string[],
  base: string
): Promise<ReadonlyMap<string, Entry>> {
  if (names.length === 0) return new Map();
  const found = await conversation.search({
    base,
    scope: 'sub',
    filter: allOf(
      equals('objectClass', 'group'),
      anyOf(...names.flatMap((name) => [equals('sAMAccountName', name), equals('cn', name)]))
    ),
    attributes: ['sAMAccountName', 'cn', 'objectSid'],
    entriesMax: groupsFoundMax
  });
  const groups = new Map<string, Entry>();
  for (const name of names) {
    const byAccount = found.find((entry) => hasValue(entry, 'sAMAccountName', name));
    const byCommonName = found.filter((entry) => hasValue(entry, 'cn', name));
    const group = byAccount ?? (byCommonName.length === 1 ? byCommonName[0] : undefined);
    if (group !== undefined) groups.set(name, group);
  }
  return groups;
}

/** Nobody has memberOf for his primary group: it is a number behind the domain's part of his SID. */
async function isInByPrimaryGroup(
  conversation: Conversation,
  user: Entry,
  permitted: readonly Entry[],
  leads: Filter | undefined,
  base: string
): Promise<boolean> {
  const primary = primaryGroupSid(user.values('objectSid')[0], user.values('primaryGroupID')[0]);
  if (primary === undefined) return false;
  const isPermitted = permitted.some((group) => {
    const [sid] = group.values('objectSid');
    return Buffer.isBuffer(sid) && sid.equals(primary);
  });
  if (isPermitted || leads === undefined) return isPermitted;
  return hasEntry(conversation, base, 'sub', allOf(equals('objectSid', primary), leads));
}

/** MS-DTYP 2.4.2.2: the last four bytes of a SID are the account's own. */
function primaryGroupSid(
  sid: string | Buffer | undefined,
  group: string | Buffer | undefined
): Buffer | undefined {
  const number = Number(group);
  if (!Buffer.isBuffer(sid) || sid.length < 12 || !(number > 0 && number < 2 ** 32)) {
    return undefined;
  }
  const own = Buffer.alloc(4);
  own.writeUInt32LE(number);
  return Buffer.concat([sid.subarray(0, -4), own]);
}

function hasValue(entry: Entry, attribute: string, wanted: string | undefined): boolean {
  return entry
    .values(attribute)
    .some((value) => String(value).toLowerCase() === wanted?.toLowerCase());
}

async function hasEntry(
  conversation: Conversation,
  base: string,
  scope: 'base' | 'sub',
  filter: Filter
): Promise<boolean> {
  const found = await conversation.search({
    base,
    scope,
    filter,
    attributes: ['1.1'],
    entriesMax: 1
  });
  return found.length > 0;
}
