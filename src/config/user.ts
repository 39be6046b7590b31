// `user:` of the file: who the workers become after the start as root.

import { readFileSync } from 'node:fs';

export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The user of this machine with that name or number; undefined when there is none, or it is root. */
export function findUser(text: string, passwd: string = readPasswd()): SystemUser | undefined {
  for (const line of passwd.split('\n')) {
    const [name = '', , uidText = '', gidText = ''] = line.split(':');
    if (name !== text && uidText !== text) continue;
    const [uid, gid] = [Number(uidText), Number(gidText)];
    const usable = Number.isInteger(uid) && uid > 0 && Number.isInteger(gid) && gid > 0;
    return usable ? { name, uid, gid } : undefined;
  }
  return undefined;
}

function readPasswd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    return ''; // no such file: no such user
  }
}
