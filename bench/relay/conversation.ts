// What client and server of the relay scenarios say, so that each can tell whether the other's
// words came through whole.

export const imapGreeting = '* OK IMAP4rev1 ready\r\n';
export const smtpGreeting = '220 mail.example.com ESMTP ready\r\n';
export const smtpHello = '250-mail.example.com\r\n250-PIPELINING\r\n250 8BITMIME\r\n';
export const smtpDone = '250 2.0.0 OK\r\n';
export const smtpFarewell = '221 2.0.0 mail.example.com closing\r\n';

const lineBytes = 60;

/** Another tag in every line: answers that went to the wrong client are seen. */
export function noopLine(tag: string): string {
  return `${`${tag} NOOP `.padEnd(lineBytes - 2, 'client')}\r\n`;
}

export function noopAnswer(tag: string): string {
  return `${`${tag} OK `.padEnd(lineBytes - 2, 'server')}\r\n`;
}
