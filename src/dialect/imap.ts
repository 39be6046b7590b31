import type { Dialect } from './dialect.ts';

export const imap: Dialect = {
  judgeGreeting(bytes) {
    return bytes.includes(10) ? 'welcome' : 'incomplete';
  },
  farewell: (_reason, words) => `${words}\r\n`,
  begin() {
    throw new Error('to come');
  }
};
