// A small and tolerant reader of HTTP/1.1 requests. It shares nothing with Ballast's own parser, so
// that a misreading there shows here, and it keeps the head's bytes as they came.

import type { ByteSource } from './byte-source.ts';

export interface LabRequest {
  /** From the request line to the empty line, byte for byte. */
  readonly head: Buffer;
  readonly method: string;
  readonly target: string;
  /** Lower case, without query: IIS does not mind the case. */
  readonly path: string;
  /** After the question mark, undecoded. */
  readonly query: string;
  readonly http10: boolean;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** Undefined where the client ended before or within a head. */
export async function readRequest(source: ByteSource): Promise<LabRequest | undefined> {
  const lines: Buffer[] = [];
  for (;;) {
    const line = await source.readLine();
    if (line === undefined) return undefined;
    const empty = line.length <= 2 && line.toString('latin1').trim() === '';
    // RFC 9112 2.2: an empty line before the request line is skipped.
    if (empty && lines.length === 0) continue;
    lines.push(line);
    if (empty) return parseHead(lines);
  }
}

/** Value of the first line of that name. */
export function fieldOf(request: LabRequest, name: string): string | undefined {
  return fieldLines(request, name)[0];
}

export function fieldLines(request: LabRequest, name: string): string[] {
  return request.fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

export function hasToken(request: LabRequest, name: string, token: string): boolean {
  return fieldLines(request, name).some((value) =>
    value
      .toLowerCase()
      .split(',')
      .some((part) => part.trim() === token)
  );
}

/** One value of the query; names in lower case. */
export function queryValue(request: LabRequest, name: string): string | undefined {
  for (const [key, value] of new URLSearchParams(request.query)) {
    if (key.toLowerCase() === name) return value;
  }
  return undefined;
}

function parseHead(lines: readonly Buffer[]): LabRequest {
  const [first = '', ...rest] = lines.map((line) => line.toString('latin1').replace(/\r?\n$/, ''));
  const [method = '', target = '', version = ''] = first.split(' ');
  const fields: [string, string][] = [];
  for (const line of rest.slice(0, -1)) {
    const last = fields.at(-1);
    if (/^[ \t]/.test(line) && last !== undefined) {
      last[1] += ` ${line.trim()}`;
      continue;
    }
    const colon = line.indexOf(':');
    fields.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  }
  const local = target.replace(/^[a-z]+:\/\/[^/?]*/i, '');
  const question = local.indexOf('?');
  return {
    head: Buffer.concat(lines),
    method,
    target,
    path: (question < 0 ? local : local.slice(0, question)).toLowerCase() || '/',
    query: question < 0 ? '' : local.slice(question + 1),
    http10: version === 'HTTP/1.0',
    fields
  };
}
