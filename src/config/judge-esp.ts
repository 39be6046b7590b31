// What makes no sense in pre-authentication of a service that speaks HTTP, and what is unwise in it.

import { compileHosts } from '../gate/allowed-host.ts';
import { compileGlobs } from '../gate/glob.ts';
import { orTemplate, warnOfExamples, warnOfOff, withoutEsp } from './esp-words.ts';
import type { ServiceEntry } from './expand.ts';
import { judgeExclusions } from './judge-exclusions.ts';
import type { EspSettings, Service, SubVirtualService } from './model.ts';
import { nearest } from './nearest.ts';
import { quote } from './problem.ts';
import type { Setting } from './section.ts';
import type { Surroundings } from './surroundings.ts';
import { blame, blameFirst, isForeign } from './validate.ts';
import type { ServiceSettings, SubVSSettings } from './vocabulary/file.ts';
import type { espVocabulary } from './vocabulary/esp.ts';

type EspKey = keyof typeof espVocabulary;

/** A service that requests come to: a SubVS, or a virtual service without any. */
interface Door {
  readonly fullName: string;
  readonly settings: ServiceSettings | SubVSSettings;
  readonly service: Pick<Service, 'esp' | 'requestRules'>;
}

/** One that is guarded. */
interface Guarded extends Door {
  readonly esp: EspSettings;
}

/** kemp-esp 1.2 */
const pairs: Readonly<Record<EspSettings['clientMode'], readonly EspSettings['serverMode'][]>> = {
  delegate: ['none'],
  basic: ['basic', 'none'],
  form: ['form', 'basic', 'none']
};
const pairsInWords = 'delegate with none, basic with basic or none, form with form, basic or none';

const asks = ({ clientMode }: EspSettings): boolean => clientMode !== 'delegate';
const isForm = ({ clientMode }: EspSettings): boolean => clientMode === 'form';
const fillsIn = ({ serverMode }: EspSettings): boolean => serverMode === 'form';

/** Whom a parameter serves, and what is said where there is nobody: what is wrong, and the cure. */
type Need = readonly [served: (esp: EspSettings) => boolean, why: string, cure: string];

const needEsp: Need = [() => true, '', ''];
const needAsking: Need = [
  asks,
  'serves nothing with delegate, which asks nobody who he is',
  'set inputAuthMode: 1 or 2'
];
const needForm: Need = [isForm, 'is for the form', 'set inputAuthMode: 2'];
const needLogin: Need = [fillsIn, 'is for the form of the servers', 'set outputAuthMode: 2'];

/** Those that do no harm are left out. */
const needs: Readonly<Partial<Record<EspKey, Need>>> = {
  inputAuthMode: needEsp,
  outputAuthMode: needEsp,
  allowedHosts: needEsp,
  allowedDirectories: needEsp,
  excludedDirectories: needAsking,
  domain: needAsking,
  allowedGroups: needAsking,
  includeNestedGroups: needAsking,
  singleSignOnMessage: needForm,
  logoff: needForm,
  userPwdChangeUrl: needForm,
  userPwdChangeMsg: [
    (esp) => isForm(esp) && esp.passwordChange !== undefined,
    'stands beside a link that there is not',
    'add userPwdChangeUrl'
  ],
  serverFbaPath: needLogin,
  serverFbaPost: needLogin,
  serverFbaUsernameOnly: needLogin
};
/** The keys of a literal are those of its type. */
const needy = Object.keys(needs) as readonly EspKey[];

export function judgeEsp(
  entry: ServiceEntry,
  own: Door['service'],
  subVSs: readonly SubVirtualService[],
  around: Surroundings
): void {
  const { smtpAllowedDomains } = entry.settings;
  if ((smtpAllowedDomains?.value?.length ?? 0) > 0 && smtpAllowedDomains !== undefined) {
    const { place, path } = smtpAllowedDomains;
    around.report(
      place,
      path,
      'it is for mail; remove it, or set vsType: gen and serverInit: smtp'
    );
  }
  const doors = doorsOf(entry, own, subVSs);
  judgeUseless(entry, doors, around);
  const off = doors.filter(
    ({ settings }) =>
      settings.espEnabled?.value === false && needy.some((key) => !isOff(settings[key]?.value))
  );
  if (off.length > 0) {
    warnOfOff(off.length === doors.length ? entry.name : namesOf(off), around.warn);
  }
  const guarded = doors.flatMap((door) => {
    const { esp } = door.service;
    return esp === undefined ? [] : [{ ...door, esp }];
  });
  for (const door of guarded) {
    judgePair(entry, door, around);
    judgeTransport(entry, door, around);
    judgeDomain(entry, door, around);
    judgeExclusions(entry, door, around);
    warnOfPaths(door, around.warn);
  }
  judgeAllowed(entry, guarded, around);
  warnOfGroups(entry, guarded, around.warn);
  warnOfPasswordChange(guarded, around.warn);
}

function doorsOf(
  entry: ServiceEntry,
  service: Door['service'],
  subVSs: readonly SubVirtualService[]
): Door[] {
  if (subVSs.length === 0) return [{ fullName: entry.name, settings: entry.settings, service }];
  return subVSs.flatMap((sub, index) => {
    const settings = entry.subVSs[index]?.settings;
    if (settings === undefined) return [];
    const requestRules = [...service.requestRules, ...sub.requestRules];
    const fullName = `${entry.name}/${sub.name}`;
    return [{ fullName, settings, service: { esp: sub.esp, requestRules } }];
  });
}

/** What a service hands down is in order if it serves one of its SubVSs. */
function judgeUseless(entry: ServiceEntry, doors: readonly Door[], { report }: Surroundings): void {
  const users = new Map<Setting<unknown>, { key: EspKey; doors: Door[] }>();
  for (const door of doors) {
    for (const key of needy) {
      const setting = door.settings[key];
      if (isUnclear(door.settings)) continue;
      if (setting === undefined || isOff(setting.value) || isForeign(setting, entry)) continue;
      const known = users.get(setting) ?? { key, doors: [] };
      users.set(setting, { key, doors: [...known.doors, door] });
    }
  }
  for (const [{ place, path }, { key, doors: own }] of users) {
    const [served, why, cure] = needs[key] ?? needEsp;
    const settings = own.flatMap(({ service: { esp } }) => esp ?? []);
    if (settings.length === 0) {
      // Switched off on purpose: the rest waits for better times.
      if (own.some((door) => door.settings.espEnabled !== undefined)) continue;
      report(place, path, withoutEsp(key, entry));
    } else if (!settings.some(served)) {
      const best = settings.some(asks) ? cure : orTemplate(entry, cure);
      report(place, path, `${key} ${why}; ${best}, or remove it`);
    }
  }
}

/** What is wrong with a mode is said already. */
function isUnclear({ inputAuthMode, outputAuthMode }: Door['settings']): boolean {
  return [inputAuthMode, outputAuthMode].some(
    (one) => one !== undefined && one.value === undefined
  );
}

function isOff(value: unknown): boolean {
  if (value === undefined || value === false || value === 'delegate' || value === 'none')
    return true;
  return Array.isArray(value) && value.length === 0;
}

function judgePair(
  entry: ServiceEntry,
  { settings, esp }: Guarded,
  { report }: Surroundings
): void {
  if (pairs[esp.clientMode].includes(esp.serverMode) || isUnclear(settings)) return;
  const { inputAuthMode, outputAuthMode } = settings;
  const at = blameFirst([outputAuthMode, inputAuthMode], entry);
  const found = `inputAuthMode ${esp.clientMode} does not go with outputAuthMode ${esp.serverMode}`;
  report(at.place, at.path, `${found}; use ${pairsInWords}`);
}

function judgeTransport(
  entry: ServiceEntry,
  { fullName, settings, esp }: Guarded,
  { report, warn }: Surroundings
): void {
  const { sslAcceleration } = entry.settings;
  if (esp.clientMode === 'delegate' || sslAcceleration?.value === true) return;
  // What is wrong with it is said already.
  if (sslAcceleration !== undefined && sslAcceleration.value === undefined) return;
  if (esp.clientMode === 'basic') {
    warn(`${fullName}: passwords come in clear (inputAuthMode: 1); add sslAcceleration: true`);
    return;
  }
  const at = blame(settings.inputAuthMode, entry);
  const message = 'passwords would come in clear, and no browser keeps the cookie of the session';
  report(at.place, at.path, `${message}; add sslAcceleration: true to the service`);
}

function judgeDomain(
  entry: ServiceEntry,
  { settings, esp }: Guarded,
  { ssoDomains, report }: Surroundings
): void {
  if (esp.clientMode === 'delegate' || esp.domain !== '') return;
  const { domain } = settings;
  // What is wrong with it, or with one of those that it may mean, is said already.
  if ((domain !== undefined && domain.value === undefined) || !ssoDomains.areSound) return;
  const at = blame(domain ?? settings.inputAuthMode, entry);
  const { names } = ssoDomains;
  if (names.length === 0) {
    const message = 'there is nobody to ask who somebody is; list a directory under ssoDomains';
    report(at.place, at.path, `${message}, or set inputAuthMode: 0`);
  } else if (domain?.value === undefined) {
    const message = 'which directory is asked is not said; add domain with one of';
    report(at.place, at.path, `${message} ${names.join(', ')}`);
  } else {
    const known = nearest(domain.value, names) ?? '';
    const message = `there is no SSO domain ${quote(domain.value)}; the nearest is ${known}`;
    report(at.place, at.path, message);
  }
}

/** An empty list shuts everybody out, as on a LoadMaster: told, since it may be meant for now. */
function judgeAllowed(
  entry: ServiceEntry,
  guarded: readonly Guarded[],
  { report, warn }: Surroundings
): void {
  for (const { settings, esp } of guarded) {
    const { allowedHosts } = settings;
    if (allowedHosts === undefined || !isForeign(allowedHosts, entry)) continue;
    const example = esp.allowedHosts.join(' ');
    const message = `the host names are still the example of the template (${example}); add`;
    const cure = 'allowedHosts with the names that clients use';
    report(entry.place, entry.path, `${message} ${cure}`);
  }
  for (const key of ['allowedHosts', 'allowedDirectories'] as const) {
    const shut = guarded.filter(({ settings, esp }) => {
      const given = settings[key];
      // What is wrong with it is said already.
      return esp[key].length === 0 && (given === undefined || given.value !== undefined);
    });
    if (shut.length === 0) continue;
    warn(`${namesOf(shut)}: nobody gets in, for there are no ${key}`);
  }
  const hosts = new Set(guarded.flatMap(({ esp }) => esp.allowedHosts));
  warnOfExamples(entry.name, 'allowedHosts', [...hosts], warn);
  const open = guarded.filter(({ esp }) => esp.allowedHosts.includes('*'));
  if (open.length === 0) return;
  warn(`${namesOf(open)}: allowedHosts lets in who asks for any host, as scanners do; name yours`);
}

function warnOfPaths({ fullName, esp, service }: Guarded, warn: (text: string) => void): void {
  const isAllowed = compileGlobs(esp.allowedDirectories);
  const isExcluded = compileGlobs(esp.excludedDirectories);
  for (const path of isForm(esp) ? esp.logoff : []) {
    if (isExcluded(path)) {
      warn(`${fullName}: logoff ${path} ends no session, for it is among excludedDirectories`);
    } else if (!isAllowed(path) && esp.allowedDirectories.length > 0) {
      warn(`${fullName}: logoff ${path} ends no session, for it is not in allowedDirectories`);
    }
  }
  for (const rule of service.requestRules) {
    if (rule.type !== 'modifyUrl') continue;
    warn(`${fullName}: the rule ${rule.name} changes a URL after ESP has judged it`);
  }
}

function warnOfGroups(
  entry: ServiceEntry,
  guarded: readonly Guarded[],
  warn: (text: string) => void
): void {
  // A name may hold commas, but mostly they are there in place of semicolons.
  const alone = guarded.flatMap(({ esp: { allowedGroups } }) =>
    allowedGroups.length === 1 ? allowedGroups : []
  );
  for (const name of new Set(alone.filter((one) => one.includes(',')))) {
    const message = `allowedGroups has but one group, called ${quote(name)}`;
    warn(`${entry.name}: ${message}; several are separated by semicolons`);
  }
  const unasked = guarded.filter(
    ({ esp }) => esp.clientMode === 'delegate' && esp.allowedGroups.length > 0
  );
  // Where it is so everywhere, that is a problem.
  if (unasked.length === 0 || guarded.every(({ esp }) => esp.clientMode === 'delegate')) return;
  warn(`${namesOf(unasked)}: allowedGroups is not asked about with inputAuthMode: 0`);
}

/** Whose password has expired gets no further than the form. */
function warnOfPasswordChange(guarded: readonly Guarded[], warn: (text: string) => void): void {
  for (const { fullName, esp } of guarded) {
    if (esp.passwordChange === undefined || !isForm(esp)) continue;
    const url = new URL(esp.passwordChange.url, 'https://host');
    const isHere = esp.passwordChange.url.startsWith('/');
    if (!isHere && !compileHosts(esp.allowedHosts)(url.host)) continue;
    const path = url.pathname.toLowerCase();
    const isOpen = guarded.some(
      (door) =>
        compileGlobs(door.esp.excludedDirectories)(path) ||
        (door.esp.clientMode === 'delegate' && compileGlobs(door.esp.allowedDirectories)(path))
    );
    if (isOpen) continue;
    warn(
      `${fullName}: userPwdChangeUrl is for who cannot sign in, and ${path} wants him to; ` +
        `add it to excludedDirectories`
    );
  }
}

function namesOf(doors: readonly Door[]): string {
  return doors.map(({ fullName }) => fullName).join(', ');
}
