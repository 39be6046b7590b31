// What the stand-in directory holds: its accounts and groups as entries of an Active Directory, and
// what becomes of a name and a password. Pure.

import type { LabUser } from './sign-in.ts';

/** As an administrator would say it; Active Directory has numbers for them. */
export type AccountTrouble = 'expired' | 'must-change' | 'locked' | 'disabled';

export interface LdapAccount extends LabUser {
  readonly trouble?: AccountTrouble;
  /** Groups by name. */
  readonly memberOf?: readonly string[];
}

export interface LdapGroup {
  readonly name: string;
  readonly memberOf?: readonly string[];
}

export interface Entry {
  readonly dn: string;
  /** By name in small letters; each with its name as it is written. */
  readonly attributes: ReadonlyMap<
    string,
    { readonly name: string; readonly values: readonly Buffer[] }
  >;
}

/** `data` of an AcceptSecurityContext error (MS-ERREF 2.2); undefined = welcome. */
export type BindError = '525' | '52e' | '532' | '533' | '773' | '775' | undefined;

/** Told to all who have the password. */
const whatTheRightPasswordGets: Readonly<Record<AccountTrouble, BindError>> = {
  expired: '532',
  'must-change': '773',
  disabled: '533',
  locked: '775'
};

const domainUsersRid = 513;
const firstRid = 1000;

export class LdapAccounts {
  /** DNS name of the domain. */
  readonly domain: string;
  readonly base: string;
  #accounts: readonly LdapAccount[];
  readonly #groups: readonly LdapGroup[];
  #entries: readonly Entry[];

  constructor(domain: string, accounts: readonly LdapAccount[], groups: readonly LdapGroup[] = []) {
    this.domain = domain;
    this.base = domain
      .split('.')
      .map((label) => `DC=${label}`)
      .join(',');
    this.#accounts = accounts;
    this.#groups = [{ name: 'Domain Users' }, ...groups];
    this.#entries = this.#write();
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** A new password also ends what was wrong with the old one. */
  setPassword(name: string, password: string): void {
    this.#accounts = this.#accounts.map((account) => {
      if (account.name.toLowerCase() !== name.toLowerCase()) return account;
      const { trouble, ...rest } = account;
      return trouble === 'expired' || trouble === 'must-change'
        ? { ...rest, password }
        : { ...account, password };
    });
    this.#entries = this.#write();
  }

  judgeBind(name: string, password: string): BindError {
    const account = this.#accounts.find((one) => this.#namesOf(one).includes(name.toLowerCase()));
    if (account === undefined) return '525';
    // Unlike all others, who is locked out is told so with any password.
    if (account.trouble === 'locked') return '775';
    if (account.password !== password) return '52e';
    return account.trouble && whatTheRightPasswordGets[account.trouble];
  }

  /** Principal name, `DOMAIN\user` by both names of the domain, plain, and distinguished. */
  #namesOf(account: LdapAccount): string[] {
    const { name, domain } = account;
    const { domain: dnsName } = this;
    const names = [
      name,
      `${name}@${dnsName}`,
      `${domain}\\${name}`,
      `${dnsName}\\${name}`,
      this.#dnOf(name)
    ];
    return names.map((one) => one.toLowerCase());
  }

  #dnOf(name: string): string {
    return `CN=${name},CN=Users,${this.base}`;
  }

  #write(): readonly Entry[] {
    const sid = (rid: number): Buffer => sidOf([21, 1, 2, 3, rid]);
    const memberOf = (of: readonly string[] = []): string[] => of.map((name) => this.#dnOf(name));
    const groups = this.#groups.map((group, n) =>
      entry(this.#dnOf(group.name), {
        objectClass: ['top', 'group'],
        cn: [group.name],
        sAMAccountName: [group.name],
        objectSid: [sid(n === 0 ? domainUsersRid : firstRid + n)],
        memberOf: memberOf(group.memberOf)
      })
    );
    const users = this.#accounts.map((account, n) =>
      entry(this.#dnOf(account.name), {
        objectClass: ['top', 'person', 'organizationalPerson', 'user'],
        cn: [account.name],
        sAMAccountName: [account.name],
        userPrincipalName: [`${account.name}@${this.domain}`],
        primaryGroupID: [String(domainUsersRid)],
        objectSid: [sid(2 * firstRid + n)],
        memberOf: memberOf(account.memberOf)
      })
    );
    return [entry(this.base, { objectClass: ['top', 'domain'] }), ...groups, ...users];
  }
}

/** What a directory tells everybody of itself. */
export function rootEntry({ base }: LdapAccounts): Entry {
  return entry('', {
    objectClass: ['top'],
    defaultNamingContext: [base],
    namingContexts: [base],
    supportedLDAPVersion: ['3'],
    // MS-ADTS 3.1.1.3.4.3.1: an Active Directory.
    supportedCapabilities: ['1.2.840.113556.1.4.800'],
    supportedExtension: ['1.3.6.1.4.1.1466.20037']
  });
}

function entry(
  dn: string,
  attributes: Readonly<Record<string, readonly (string | Buffer)[]>>
): Entry {
  const all = Object.entries(attributes).filter(([, values]) => values.length > 0);
  return {
    dn,
    attributes: new Map(
      all.map(([name, values]) => [
        name.toLowerCase(),
        { name, values: values.map((value) => Buffer.from(value as string)) }
      ])
    )
  };
}

/** MS-DTYP 2.4.2.2. */
function sidOf(parts: readonly number[]): Buffer {
  const sid = Buffer.alloc(8 + 4 * parts.length);
  sid[0] = 1;
  sid[1] = parts.length;
  sid[7] = 5;
  for (const [n, part] of parts.entries()) sid.writeUInt32LE(part, 8 + 4 * n);
  return sid;
}
