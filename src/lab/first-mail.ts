// The messages that a mailbox begins with, and those that come by themselves.

import { patternPieces } from './pattern.ts';
import type { LabUser } from './sign-in.ts';

const largeBytes = 1_000_000;

export function firstMail(serverName: string, user: LabUser): Buffer[] {
  const to = `${user.name}@lab.example`;
  return [
    mail(to, 'Welcome', [`This is the mailbox of ${user.name} on ${serverName}.`]),
    mail(to, 'Lines that are no commands', trickyLines),
    mail(to, 'Large', [...base64Lines(largeBytes)])
  ];
}

let news = 0;

export function newsMail(): Buffer {
  news += 1;
  return mail('everyone@lab.example', `News ${news}`, [new Date().toISOString()]);
}

/** All that a proxy could take for the end of a message, a command or an answer. */
const trickyLines: readonly string[] = [
  '.',
  '..',
  '.STARTTLS',
  'b1 OK FETCH completed.',
  'a1 STARTTLS',
  'STARTTLS',
  'STLS',
  'QUIT',
  '* CAPABILITY IMAP4rev1 STARTTLS',
  '+OK',
  '-ERR no',
  '250-STARTTLS',
  '250 AUTH LOGIN',
  '* 1 FETCH (BODY[] {1000000}',
  ')',
  '{5}',
  '{5+}',
  'A long line follows.',
  'x'.repeat(990),
  ''
];

function mail(to: string, subject: string, lines: readonly string[]): Buffer {
  const head = [
    'From: Lab <lab@lab.example>',
    `To: ${to}`,
    `Subject: ${subject}`,
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${crypto.randomUUID()}@lab.example>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii'
  ];
  return Buffer.from(`${[...head, '', ...lines].join('\r\n')}\r\n`, 'latin1');
}

function* base64Lines(bytes: number): Generator<string> {
  const raw = Buffer.concat([...patternPieces(0, Math.floor((bytes / 78) * 57))]);
  for (let at = 0; at < raw.length; at += 57) yield raw.toString('base64', at, at + 57);
}
