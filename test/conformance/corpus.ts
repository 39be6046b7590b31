// The corpus: messages as data, hostile and odd ones, with what is expected of each. The JSON files
// hold bytes as latin1 text; a long filler is `{ "repeat": "a", "times": 70000 }`.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Case {
  /** `file: name`, unique in its kind. */
  readonly name: string;
  /** The clause or the client that it stands for. */
  readonly why: string;
}

export interface BadRequest extends Case {
  readonly request: Buffer;
  /** Any of them may be the status of the first answer. */
  readonly statuses: readonly number[];
  /** `body`: the head is good and may already be on its way when the fault arrives. */
  readonly fault: 'head' | 'body';
}

/**
 * A status of Ballast's own; `cut` where the client must be able to tell that the body is not
 * whole; `surplus` where the answer is whole and what follows it must reach nobody.
 */
export type AnswerFate = number | 'cut' | 'surplus';

export interface BadAnswer extends Case {
  readonly request: Buffer;
  readonly answer: Buffer;
  /** What the server does behind these bytes. */
  readonly close: boolean | 'reset';
  readonly fates: readonly AnswerFate[];
  /** `exchange`: well-formed, but wrong as the answer to this request. */
  readonly judge: 'parser' | 'exchange';
}

export interface GoodRequest extends Case {
  readonly request: Buffer;
  readonly expect: {
    readonly method: string;
    readonly target: string;
    readonly fields: number;
    readonly framing: string;
    readonly messages: number;
    /** The decoded bodies of all messages, one behind the other. */
    readonly body: Buffer;
    /** False: the body ends before its length, as a body of Outlook Anywhere always does. */
    readonly complete: boolean;
  };
}

export interface GoodAnswer extends Case {
  readonly method: string;
  readonly answer: Buffer;
  readonly expect: {
    readonly status: number;
    readonly framing: string;
    readonly interim: number;
    readonly body: Buffer;
  };
}

export function badRequests(): BadRequest[] {
  return read<RawBadRequest>('bad-requests').map((raw) => ({
    name: raw.name,
    why: raw.why,
    request: bytes(raw.request),
    statuses: [raw.status].flat(),
    fault: raw.fault ?? 'head'
  }));
}

export function badAnswers(): BadAnswer[] {
  return read<RawBadAnswer>('bad-answers').map((raw) => ({
    name: raw.name,
    why: raw.why,
    request: bytes(raw.request ?? 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    answer: bytes(raw.answer),
    close: raw.close,
    fates: [raw.expect].flat(),
    judge: raw.by ?? 'parser'
  }));
}

export function goodRequests(): GoodRequest[] {
  return read<RawGoodRequest>('good-requests').map(({ expect, ...raw }) => ({
    name: raw.name,
    why: raw.why,
    request: bytes(raw.request),
    expect: {
      ...expect,
      target: bytes(expect.target).toString('latin1'),
      body: bytes(expect.body),
      complete: expect.complete ?? true
    }
  }));
}

export function goodAnswers(): GoodAnswer[] {
  return read<RawGoodAnswer>('good-answers').map(({ expect, ...raw }) => ({
    name: raw.name,
    why: raw.why,
    method: raw.method,
    answer: bytes(raw.answer),
    expect: { ...expect, body: bytes(expect.body) }
  }));
}

type Part = string | { readonly repeat: string; readonly times: number };
type Text = Part | readonly Part[];

interface RawBadRequest extends Case {
  readonly request: Text;
  readonly status: number | number[];
  readonly fault?: 'head' | 'body';
}

interface RawBadAnswer extends Case {
  readonly request?: Text;
  readonly answer: Text;
  readonly close: boolean | 'reset';
  readonly expect: AnswerFate | AnswerFate[];
  readonly by?: 'exchange';
}

interface RawGoodRequest extends Case {
  readonly request: Text;
  readonly expect: {
    readonly method: string;
    readonly target: Text;
    readonly fields: number;
    readonly framing: string;
    readonly messages: number;
    readonly body: Text;
    readonly complete?: boolean;
  };
}

interface RawGoodAnswer extends Case {
  readonly method: string;
  readonly answer: Text;
  readonly expect: {
    readonly status: number;
    readonly framing: string;
    readonly interim: number;
    readonly body: Text;
  };
}

/** All cases of one folder, in the order of the files. */
function read<Raw extends Case>(kind: string): Raw[] {
  const folder = new URL(`data/${kind}/`, import.meta.url);
  const cases: Raw[] = [];
  for (const file of readdirSync(fileURLToPath(folder)).toSorted()) {
    const rows = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Raw[];
    const topic = file.replace(/\.json$/, '');
    cases.push(...rows.map((row) => ({ ...row, name: `${topic}: ${row.name}` })));
  }
  return cases;
}

function bytes(text: Text): Buffer {
  const parts: readonly Part[] = Array.isArray(text) ? text : [text as Part];
  return Buffer.concat(
    parts.map((part) =>
      typeof part === 'string'
        ? Buffer.from(part, 'latin1')
        : Buffer.alloc(part.repeat.length * part.times, Buffer.from(part.repeat, 'latin1'))
    )
  );
}
