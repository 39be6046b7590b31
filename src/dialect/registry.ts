// The mail protocols by the word that the configuration has for them.

import type { Dialect } from './dialect.ts';
import { imap } from './imap.ts';
import { pop3 } from './pop3.ts';
import { smtp } from './smtp.ts';

export const dialects = { imap, pop3, smtp } satisfies Record<string, Dialect>;

export type DialectName = keyof typeof dialects;
