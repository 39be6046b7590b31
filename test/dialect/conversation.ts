// Conversations as text, in conversations/*.txt. Each begins with `=== ` and what it shows, and may
// go on with `options: `; one named `@name` is a part that others begin with. A line is who says
// what: `C: ` the client and `S: ` the server, each with CR LF behind it; `C+ ` and `S+ ` come in one
// chunk with the line before, `C- ` and `S- ` without a line end. Below stands what comes of it:
// `s: ` reaches the server, `c: ` the client, and `! ` is what the session would do or note. `TLS`
// says that TLS is up. \r \n \0 \s \\ are bytes.

import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { Dialect, Dialogue, DialogueOptions } from '../../src/dialect/dialect.ts';
import { dialects, type DialectName } from '../../src/dialect/registry.ts';
import { LineGatherer } from '../../src/line/gatherer.ts';

interface Conversation {
  readonly name: string;
  readonly options?: Partial<DialogueOptions>;
  readonly text: string;
}

const bytesMax = 200;

/**
 * Tries those of the protocol's file, or of another one, and more of the kind, which may begin with
 * its parts. `usual` are options of all that say no other.
 */
export function tryConversations(
  protocol: DialectName,
  more: readonly Conversation[],
  name: string = protocol,
  usual: Partial<DialogueOptions> = {}
): void {
  const file = new URL(`conversations/${name}.txt`, import.meta.url);
  const all = readConversations(readFileSync(file, 'utf8'));
  const parts = new Map(all.map(({ name, text }) => [name, text]));
  const whole = (text: string): string =>
    text.replace(/^@\w+$/gm, (name) => whole(parts.get(name) ?? `no part ${name}`));
  const unnamed = all.filter(({ name }) => !name.startsWith('@'));
  for (const { name, options, text } of [...unnamed, ...more]) {
    t.test(name, async (t) =>
      tryCuts(t, dialects[protocol], { ...usual, ...options }, whole(text))
    );
  }
}

function readConversations(text: string): Conversation[] {
  return text
    .split(/^=== /m)
    .slice(1)
    .map((part) => {
      const [, name = '', words, script = ''] =
        /^(.*)\n(?:options: (.*)\n)?([^]*)$/.exec(part.trim()) ?? [];
      const options = words === undefined ? {} : (JSON.parse(`{${words}}`) as object);
      return { name, options, text: script };
    });
}

/** Whole, byte by byte, and with every one of its inputs cut in two at every point. */
function tryCuts(t: Test, dialect: Dialect, options: Partial<DialogueOptions>, text: string): void {
  const want = text.split('\n');
  const all = { startTls: 'offered', clearLogin: false, ...options } as const;
  const run = (cut: (input: number, bytes: Buffer) => Buffer[]): string[] =>
    hold(dialect.begin(all), want, cut);
  t.strictSame(
    run((_, bytes) => [bytes]),
    want,
    'whole'
  );
  const byByte = (_: number, bytes: Buffer): Buffer[] =>
    Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  t.strictSame(run(byByte), want, 'byte by byte');
  for (const [at, { bytes }] of inputsOf(want).entries()) {
    for (let split = 1; split < bytes.length; split++) {
      const got = run((input, bytes) =>
        input === at ? [bytes.subarray(0, split), bytes.subarray(split)] : [bytes]
      );
      if (got.join('\n') === want.join('\n')) continue;
      t.strictSame(got, want, `input ${at} cut at ${split}`);
      return;
    }
  }
}

/** The conversation as it went: the same inputs, and what came of them. */
function hold(
  dialogue: Dialogue,
  script: readonly string[],
  cut: (input: number, bytes: Buffer) => Buffer[]
): string[] {
  const session = new PaperSession(dialogue);
  const went: string[] = [];
  inputsOf(script).forEach(({ lines, from, bytes }, i) => {
    went.push(...lines);
    if (from === 'TLS') session.beginTls();
    else for (const chunk of cut(i, bytes)) session.take(from, chunk);
    went.push(...session.report());
  });
  return went;
}

interface Input {
  readonly lines: string[];
  readonly from: 'C' | 'S' | 'TLS';
  bytes: Buffer;
}

function inputsOf(script: readonly string[]): Input[] {
  const inputs: Input[] = [];
  for (const line of script) {
    if (line === 'TLS') {
      inputs.push({ lines: [line], from: 'TLS', bytes: Buffer.alloc(0) });
      continue;
    }
    const match = /^([CS])([-:+]) ?(.*)$/.exec(line);
    if (match === null) continue;
    const [, from = '', kind, text = ''] = match;
    const bytes = Buffer.from(unescape(text) + (kind === '-' ? '' : '\r\n'), 'latin1');
    const latest = inputs.at(-1);
    if (kind === '+' && latest !== undefined) {
      latest.lines.push(line);
      latest.bytes = Buffer.concat([latest.bytes, bytes]);
    } else inputs.push({ lines: [line], from: from as 'C' | 'S', bytes });
  }
  return inputs;
}

const escapes: Readonly<Record<string, string>> = {
  '\\r': '\r',
  '\\n': '\n',
  '\\0': '\0',
  '\\s': ' ',
  '\\\\': '\\'
};

const shown: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(escapes).map(([escape, byte]) => [byte, escape])
);

function unescape(text: string): string {
  return text.replace(/\\[rn0s\\]/g, (escape) => escapes[escape] ?? '');
}

/** A session without sockets, in the order that the comments of the interface ask for. */
class PaperSession {
  readonly #dialogue: Dialogue;
  readonly #client = new LineGatherer(bytesMax);
  readonly #server = new LineGatherer(4096);
  #toClient = '';
  #toServer = '';
  readonly #events: string[] = [];
  #over = false;
  #wasFinished = false;
  #wasHeld = false;
  #wasSettled = false;
  /** Ballast's own answer while the server owes others. */
  #answer: { readonly text: string; readonly tls: boolean } | undefined;

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue;
  }

  take(from: 'C' | 'S', bytes: Buffer): void {
    if (this.#over) return;
    if (from === 'C') this.#client.add(bytes);
    else {
      this.#server.add(bytes);
      this.#readServer();
    }
    this.#readClient();
  }

  beginTls(): void {
    this.#dialogue.tlsBegan();
    this.#readClient();
  }

  /** What happened since the last report. */
  report(): string[] {
    const show = (who: string, text: string): string[] => {
      if (text === '') return [];
      const lines = text.split('\r\n');
      const open = lines.pop() ?? '';
      const all = lines.map((line) => `${who}: ${line}`);
      if (open !== '') all.push(`${who}- ${open}`);
      return all.map((line) => line.replace(/[\\\r\n\0]| $/g, (byte) => shown[byte] ?? byte));
    };
    const isHeld = !this.#over && this.#client.waiting > 0 && !this.#dialogue.clientMaySpeak;
    if (isHeld && !this.#wasHeld) this.#events.push('! held');
    this.#wasHeld = isHeld;
    if (this.#dialogue.settled && !this.#wasSettled) this.#events.push('! settled');
    this.#wasSettled = this.#dialogue.settled;
    if (this.#dialogue.finished && !this.#wasFinished) this.#events.push('! finished');
    this.#wasFinished = this.#dialogue.finished;
    const all = [...show('s', this.#toServer), ...show('c', this.#toClient), ...this.#events];
    this.#toClient = '';
    this.#toServer = '';
    this.#events.length = 0;
    return all;
  }

  #readServer(): void {
    const dialogue = this.#dialogue;
    while (!this.#over) {
      if (dialogue.finished) {
        this.#toClient += this.#server.takeAll().toString('latin1');
        return;
      }
      const piece = this.#server.next(dialogue.serverMode);
      if (piece === undefined) return;
      if (piece.is === 'broken') return this.#end(piece.reason, piece.words);
      if (piece.is === 'data') {
        this.#toClient += piece.bytes.toString('latin1');
        if (piece.ended) dialogue.serverDataEnded();
        continue;
      }
      const step = dialogue.fromServer(piece.bytes);
      if (step.do === 'end') return this.#end(step.reason, step.words);
      this.#toClient += step.do === 'replace' ? step.text : piece.bytes.toString('latin1');
    }
  }

  #readClient(): void {
    const dialogue = this.#dialogue;
    while (!this.#over) {
      if (this.#answer !== undefined) {
        if (dialogue.owed > 0) return;
        this.#toClient += this.#answer.text;
        if (this.#answer.tls) this.#events.push('! start-tls');
        this.#answer = undefined;
      }
      if (dialogue.finished) {
        this.#toServer += this.#client.takeAll().toString('latin1');
        return;
      }
      if (!dialogue.clientMaySpeak) return;
      const mode = dialogue.clientMode;
      const piece = this.#client.next(mode);
      if (piece === undefined) return;
      if (piece.is === 'broken') return this.#end(piece.reason, piece.words);
      if (piece.is === 'data') {
        if (mode.dropped !== true) this.#toServer += piece.bytes.toString('latin1');
        if (piece.ended) dialogue.clientDataEnded();
        continue;
      }
      const step = dialogue.fromClient(piece.bytes);
      const refused = 'refused' in step ? step.refused : undefined;
      if (refused !== undefined) this.#events.push(`! ${refused.why}: ${refused.address}`);
      if (step.do === 'end') return this.#end(step.reason, step.words);
      if (step.do === 'forward') this.#toServer += piece.bytes.toString('latin1');
      else if (step.text !== '') {
        this.#answer = { text: step.text, tls: step.do === 'start-tls' };
      }
    }
  }

  #end(reason: string, words: string): void {
    this.#over = true;
    this.#events.push(`! end ${reason}: ${words}`);
  }
}
