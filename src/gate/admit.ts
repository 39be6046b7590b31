// May this request come near the service, and must somebody say who he is first? Judged on the
// host and the path alone: a query never opens a door (CVE-2025-54576 of oauth2-proxy).

import { compileGlobs } from './glob.ts';
import { compileHosts } from './allowed-host.ts';
import { canonicalPath } from './canonical-path.ts';
import { refusal, type Refused } from './refused.ts';
import { isLoginPath } from './login-url.ts';

/** What the gate needs of a service's `esp`. */
export interface GateSettings {
  readonly clientMode: 'delegate' | 'basic' | 'form';
  readonly allowedHosts: readonly string[];
  readonly allowedDirectories: readonly string[];
  readonly excludedDirectories: readonly string[];
  readonly logoff: readonly string[];
}

/**
 * `reserved`: a login URL, answered here and never by a server. `excluded`: to the server without
 * questions. `guarded`: the client mode decides. `path` is the canonical one, for comparisons and
 * logs; what goes to the server are the bytes that came.
 */
export type Verdict =
  { readonly verdict: 'reserved' | 'excluded' | 'guarded'; readonly path: string } | Refused;

export interface Gate {
  /** Host with or without its port, and the path (or the target) in latin1 as they came. */
  judge(host: string, path: string): Verdict;
  /** Whether a canonical path is one of the logoff strings. */
  endsSession(path: string): boolean;
}

const wrongHost = refusal(403, 'host name not allowed');
const wrongDirectory = refusal(403, 'directory not allowed');

export function compileGate(settings: GateSettings): Gate {
  const isAllowedHost = compileHosts(settings.allowedHosts);
  const isAllowed = compileGlobs(settings.allowedDirectories);
  const isExcluded = compileGlobs(settings.excludedDirectories);
  const endsSession = compileGlobs(settings.logoff);
  const hasLogin = settings.clientMode === 'form';
  return {
    judge(host, raw) {
      if (!isAllowedHost(host)) return wrongHost;
      const path = canonicalPath(raw);
      if (typeof path !== 'string') return path;
      // Before the directories: with `/owa*` alone nobody could sign in, and they lead nowhere.
      if (hasLogin && isLoginPath(path)) return { verdict: 'reserved', path };
      if (!isAllowed(path)) return wrongDirectory;
      return { verdict: isExcluded(path) ? 'excluded' : 'guarded', path };
    },
    endsSession
  };
}
