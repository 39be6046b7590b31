// SMTP that takes mail for some recipients only (SMTP with ESP, guide 4.9): what of a session may
// reach the server. No verb is let through that could not be followed to the end.

import { standsAlone, type Command } from '../line/verb.ts';
import type { ClientStep } from './dialect.ts';
import { domainGlob, refuseRecipient } from './recipients.ts';

/**
 * No AUTH: who signed in could be let through by the server, and passwords could be tried here. No
 * BDAT: senders use DATA instead, whose lines can be checked, and those that have mail which cannot
 * be sent that way say so to its author (RFC 3030 3).
 */
const followed: ReadonlySet<string> = new Set([
  'EHLO',
  'HELO',
  'MAIL',
  'RCPT',
  'DATA',
  'RSET',
  'NOOP',
  'VRFY',
  'HELP',
  'QUIT',
  'STARTTLS'
]);

/** Keywords of EHLO that bring no verb, and no parameter by which a recipient is changed. */
export const followedOffers: ReadonlySet<string> = new Set([
  '8BITMIME',
  'DELIVERBY',
  'DSN',
  'ENHANCEDSTATUSCODES',
  'HELP',
  'LIMITS',
  'PIPELINING',
  'RRVS',
  'SIZE',
  'SMTPUTF8',
  'VRFY'
]);

/** Longest command: RFC 5321 4.5.3.1.4 with RFC 3461 5 and RFC 4954 is below; Postfix cuts here. */
const commandBytesMax = 2048;
/** Refused recipients of a session that get an answer. */
const refusedMax = 10;

export class SmtpFilter {
  readonly #globs: readonly string[];
  #refused = 0;
  /** Recipients of this mail that the server has taken. */
  #taken = 0;
  #smtpUtf8 = false;
  #dataRefused = false;

  constructor(allowedDomains: readonly string[]) {
    this.#globs = allowedDomains.map(domainGlob).filter((glob) => glob !== undefined);
  }

  /**
   * A client that sends its mail without waiting for the answer to DATA (RFC 2920 3.1 forbids it)
   * would have it taken for commands when the answer is no.
   */
  mayFollow(command: Command | undefined): boolean {
    if (this.#dataRefused && (command === undefined || this.hides(command.verb))) return false;
    this.#dataRefused = false;
    return true;
  }

  hides(verb: string): boolean {
    return !followed.has(verb);
  }

  /** What becomes of a command; undefined = it is for the server. `toCome`: an answer to RCPT is. */
  judge(command: Command, lineBytes: number, toCome: boolean): ClientStep | undefined {
    if (lineBytes > commandBytesMax) return answer('500 5.5.2 Line too long');
    const { verb, argument = '' } = command;
    if (verb === 'RCPT') return this.#judgeRecipient(argument);
    // RFC 6531 3.4: said for the mail and its recipients alike.
    if (verb === 'MAIL') {
      const tail = argument.slice(argument.lastIndexOf('>') + 1);
      this.#smtpUtf8 = / SMTPUTF8(?: |$)/i.test(tail);
    }
    if (verb !== 'DATA' || (standsAlone(command) && (toCome || this.#taken > 0))) return undefined;
    this.#dataRefused = true;
    return answer(
      standsAlone(command) ? '554 5.5.1 No valid recipients' : '501 5.5.4 DATA takes no parameters'
    );
  }

  /** The server has answered. */
  recipientTaken(): void {
    this.#taken++;
  }

  mailOver(): void {
    this.#taken = 0;
  }

  dataRefused(): void {
    this.#dataRefused = true;
  }

  #judgeRecipient(argument: string): ClientStep | undefined {
    const refused = refuseRecipient(argument, this.#globs, this.#smtpUtf8);
    if (refused === undefined) return undefined;
    if (++this.#refused <= refusedMax) return { ...answer(refused.reply), refused };
    const words = `more than ${refusedMax} recipients were refused`;
    return { do: 'end', reason: 'recipients-refused', words, refused };
  }
}

function answer(text: string): ClientStep & { do: 'answer' } {
  return { do: 'answer', text: `${text}\r\n` };
}
