// excludedDirectories are doors through which nobody is asked who he is: what they may be.

import { compileGlobs } from '../gate/glob.ts';
import { isPlaceholder } from './build-esp.ts';
import type { ServiceEntry } from './expand.ts';
import type { EspSettings } from './model.ts';
import { quote } from './problem.ts';
import type { Surroundings } from './surroundings.ts';
import { blame } from './validate.ts';
import type { ServiceSettings, SubVSSettings } from './vocabulary/file.ts';

interface Guarded {
  readonly fullName: string;
  readonly settings: ServiceSettings | SubVSSettings;
  readonly esp: EspSettings;
}

/** Of what is behind these, all is private. */
const privateDirectories: readonly string[] = ['/owa', '/ecp', '/powershell'];

const loginPage = '/owa/auth/logon.aspx';

/** No path of a request has a NUL: what matches such a path matches whatever is below. */
const anything = '/\0';

export function judgeExclusions(
  entry: ServiceEntry,
  { fullName, settings, esp }: Guarded,
  { report, warn }: Pick<Surroundings, 'report' | 'warn'>
): void {
  const given = settings.excludedDirectories;
  if (given?.value === undefined || esp.clientMode === 'delegate') return;
  const isAllowed = compileGlobs(esp.allowedDirectories);
  const at = blame(given, entry);
  if (covers(esp.excludedDirectories, esp.allowedDirectories)) {
    const message = 'everybody would get through to all that is allowed';
    report(at.place, at.path, `${message}; name less, or set inputAuthMode: 0`);
    return;
  }
  for (const excluded of given.value) {
    if (isPlaceholder(excluded)) {
      warn(
        `${fullName}: ${excluded} of excludedDirectories is the guide's example and lets nobody ` +
          'through, so Outlook add-ins find no mailbox; guide 4.2.2 says how to get the GUID'
      );
      continue;
    }
    const why = whyRefused(excluded);
    if (why !== undefined) {
      const message = `${quote(excluded)} ${why}; name what nobody needs to sign in for`;
      report(at.place, at.path, `${message}, such as /owa/GUID@example.com*`);
      continue;
    }
    // Of a list that is handed down to several, most stand there for another SubVS.
    const isShared = entry.settings.excludedDirectories === given && entry.subVSs.length > 0;
    if (!isAllowed(beginning(excluded)) && !isShared) {
      warn(`${fullName}: ${excluded} of excludedDirectories stays shut, for it is not allowed`);
    }
    warnOfDoor(fullName, excluded, esp, warn);
  }
}

function whyRefused(excluded: string): string | undefined {
  const star = excluded.indexOf('*');
  if (excluded === '/' || excluded === '/*') return 'would let everybody through to everything';
  if (star !== -1 && star < excluded.length - 1) return 'has a * before its end';
  if (star !== -1 && excluded.lastIndexOf('/') === 0) {
    return `would let everybody through to all that begins with ${beginning(excluded)}`;
  }
  const whole = privateDirectories.find((directory) => covers([excluded], [directory]));
  return whole === undefined ? undefined : `would let everybody through to all of ${whole}`;
}

/** Whether all that is below each of the directories is excluded. */
function covers(excluded: readonly string[], directories: readonly string[]): boolean {
  const isExcluded = compileGlobs(excluded);
  return (
    directories.length > 0 &&
    directories.every((directory) => isExcluded(`${trimmed(directory)}${anything}`))
  );
}

function warnOfDoor(
  fullName: string,
  excluded: string,
  { serverForm }: EspSettings,
  warn: (text: string) => void
): void {
  const isExcluded = compileGlobs([excluded]);
  if (isExcluded('/autodiscover/autodiscover.json')) {
    warn(
      `${fullName}: ${excluded} of excludedDirectories leads to autodiscover.json, the way in of ` +
        'ProxyShell (CVE-2021-34473); keep the servers patched'
    );
  }
  if ([serverForm.path, loginPage].some(isExcluded)) {
    warn(
      `${fullName}: ${excluded} of excludedDirectories leads to the login of the servers, past the ` +
        'one here, which counts wrong passwords'
    );
  }
}

function beginning(directory: string): string {
  return directory.replace(/\*+$/, '');
}

function trimmed(directory: string): string {
  return directory.replace(/[*/]+$/, '');
}
