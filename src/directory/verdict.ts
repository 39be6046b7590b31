// What the result code of a bind says about somebody. Pure. The server's own words are used for
// nothing but Active Directory's number in them: what a server says is not repeated in our log.

export type Verdict =
  | { readonly outcome: 'welcome' }
  /** The cause is for the log: all look the same to the client. */
  | {
      readonly outcome: 'denied';
      readonly cause: 'refused' | 'locked' | 'disabled';
      readonly reason: string;
    }
  /** The password was right; it must be changed first. */
  | { readonly outcome: 'expired'; readonly mustChange: boolean; readonly reason: string }
  /** This server cannot say; another one might. */
  | { readonly outcome: 'unable'; readonly reason: string };

/** MS-ERREF 2.2 in hexadecimal, as `data 52e` in the text of the answer. */
const subcodes: Readonly<Record<string, Verdict>> = {
  '525': { outcome: 'denied', cause: 'refused', reason: 'no such user' },
  '52e': { outcome: 'denied', cause: 'refused', reason: 'wrong name or password' },
  '52f': { outcome: 'denied', cause: 'refused', reason: 'account restrictions' },
  '530': { outcome: 'denied', cause: 'refused', reason: 'not at this time of day' },
  '531': { outcome: 'denied', cause: 'refused', reason: 'not from this workstation' },
  '532': { outcome: 'expired', mustChange: false, reason: 'password expired' },
  '533': { outcome: 'denied', cause: 'disabled', reason: 'account disabled' },
  '701': { outcome: 'denied', cause: 'disabled', reason: 'account expired' },
  '773': { outcome: 'expired', mustChange: true, reason: 'password must be changed' },
  '775': { outcome: 'denied', cause: 'locked', reason: 'account locked out' }
};

/** RFC 4511 4.1.9: codes that say something of the name or the password. */
const denials: Readonly<Record<number, string>> = {
  19: 'refused by a constraint of the directory',
  32: 'no such name',
  34: 'not a name that this directory knows',
  48: 'no password that this directory accepts',
  49: 'wrong name or password'
};

const inabilities: Readonly<Record<number, string>> = {
  1: 'operations error',
  2: 'protocol error',
  7: 'it does not accept simple binds',
  8: 'it wants TLS or signing',
  13: 'it wants TLS',
  51: 'busy',
  52: 'unavailable',
  53: 'unwilling to perform'
};

export function judgeBind(code: number, text: string): Verdict {
  if (code === 0) return { outcome: 'welcome' };
  if (code === 49) {
    const data = /\bdata ([0-9a-f]{3,4})\b/i.exec(text)?.[1]?.toLowerCase();
    const known = data === undefined ? undefined : subcodes[data];
    if (known !== undefined) return known;
  }
  const denial = denials[code];
  if (denial !== undefined) return { outcome: 'denied', cause: 'refused', reason: denial };
  return { outcome: 'unable', reason: `it answered: ${explainCode(code)}` };
}

export function explainCode(code: number): string {
  return denials[code] ?? inabilities[code] ?? `result code ${code}`;
}
