// Pre-authentication of one virtual service or SubVS, and the recipients of one that takes mail.

import type { SsoDomainBook } from './build-sso-domain.ts';
import type { EspLogs, EspSettings, RecipientSettings } from './model.ts';
import type { ServiceSettings, SubVSSettings } from './vocabulary/file.ts';

const usualServerMode: Readonly<Record<EspSettings['clientMode'], EspSettings['serverMode']>> = {
  delegate: 'none',
  basic: 'basic',
  form: 'form'
};

/** A LoadMaster sends a bare `#`; OWA's own page writes it so (kemp-esp 1.3). */
const usualLoginBody =
  'destination=%s%23authRedirect=true&flags=4&forcedownlevel=0' +
  '&username=%s&password=%s&passwordText=&isUtf8=1';

/** Of a service that speaks HTTP. What is wrong with it is judged elsewhere. */
export function buildEsp(
  settings: ServiceSettings | SubVSSettings,
  domains: SsoDomainBook
): EspSettings | undefined {
  if (settings.espEnabled?.value !== true) return undefined;
  const clientMode = settings.inputAuthMode?.value ?? 'delegate';
  return {
    clientMode,
    serverMode: settings.outputAuthMode?.value ?? usualServerMode[clientMode],
    domain: clientMode === 'delegate' ? '' : domainOf(settings, domains),
    logs: logsOf(settings.espLogs?.value ?? 7),
    allowedHosts: settings.allowedHosts?.value ?? [],
    allowedDirectories: settings.allowedDirectories?.value ?? [],
    excludedDirectories: (settings.excludedDirectories?.value ?? []).filter(
      (directory) => !isPlaceholder(directory)
    ),
    allowedGroups: settings.allowedGroups?.value ?? [],
    nestedGroups: settings.includeNestedGroups?.value ?? false,
    logoff: settings.logoff?.value ?? [],
    greeting: settings.singleSignOnMessage?.value ?? '',
    asksPublicPrivate: settings.displayPubPriv?.value ?? true,
    passwordChange: passwordChangeOf(settings),
    serverForm: {
      path: settings.serverFbaPath?.value ?? '/owa/auth.owa',
      post: settings.serverFbaPost?.value ?? usualLoginBody,
      usernameOnly: settings.serverFbaUsernameOnly?.value ?? false
    }
  };
}

/** Of a service that takes mail; undefined = for everybody. */
export function buildRecipients(settings: ServiceSettings): RecipientSettings | undefined {
  if (settings.espEnabled?.value !== true) return undefined;
  return {
    allowedDomains: settings.smtpAllowedDomains?.value ?? [],
    // There are no logins here, and refusals are always told (kemp-esp 6).
    logs: { ...logsOf(settings.espLogs?.value ?? 4), user: false, security: true }
  };
}

/** The guide prints `/owa/guid@smtpdomain*`, to be filled in: until then it lets nobody through. */
export function isPlaceholder(directory: string): boolean {
  return directory.includes('/guid@smtpdomain');
}

/** '' where none can be had, which is then reported. */
function domainOf({ domain }: ServiceSettings | SubVSSettings, domains: SsoDomainBook): string {
  const [only, ...others] = domains.names;
  const asked = domain === undefined && others.length === 0 ? only : domain?.value;
  return asked === undefined ? '' : (domains.find(asked) ?? '');
}

function logsOf(bits: number): EspLogs {
  return {
    user: (bits & 1) !== 0,
    security: (bits & 2) !== 0,
    connection: (bits & 4) !== 0
  };
}

function passwordChangeOf({
  userPwdChangeUrl,
  userPwdChangeMsg
}: ServiceSettings | SubVSSettings): EspSettings['passwordChange'] {
  if (userPwdChangeUrl?.value === undefined) return undefined;
  return { url: userPwdChangeUrl.value, message: userPwdChangeMsg?.value ?? '' };
}
