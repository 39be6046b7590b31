// Workers started by root become an ordinary user before they listen: the sockets are opened by
// the primary and handed over, so that ports below 1024 need no rights here.

import type { Logger } from '../log.ts';

export interface RunAs {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Gives up root for good; does nothing where this process is not root. */
export function dropPrivileges(user: RunAs | undefined, log: Logger): void {
  if (user === undefined || process.getuid?.() === user.uid) return;
  if (process.getuid?.() !== 0) {
    log.warn({ user: user.name }, 'not started by root, so the user stays as it is');
    return;
  }
  process.setgroups?.([]);
  process.setgid?.(user.gid);
  process.setuid?.(user.uid);
}
