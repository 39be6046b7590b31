// The directory of the lab: a stand-in for an Active Directory that knows the users of the servers.

import { startLdap, type Ldap } from './ldap.ts';
import { defaultUsers } from './sign-in.ts';
import type { Place } from './listeners.ts';

/** DNS name of the domain; its first label is what stands before a backslash. */
export const directoryDomain = 'corp.lab.example';
/** Who is not in it, or in a group in it, gets no further than the login page. */
export const mailGroup = 'Mail Users';

const groupOf: Readonly<Record<string, string>> = { bob: 'Paris' };

export function startLabDirectory(
  place: Place,
  tls: { readonly key: string; readonly cert: string }
): Promise<Ldap> {
  return startLdap({
    ...place,
    tls,
    domain: directoryDomain,
    accounts: defaultUsers.map(({ expired, ...user }) => ({
      ...user,
      memberOf: [groupOf[user.name] ?? mailGroup],
      ...(expired === true && { trouble: 'expired' })
    })),
    groups: [{ name: mailGroup }, { name: 'Paris', memberOf: [mailGroup] }]
  });
}
