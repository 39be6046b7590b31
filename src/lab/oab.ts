// The offline address book is fetched by BITS: HEAD, then many ranges of one file.

import { fieldOf } from './request.ts';
import { patternPieces } from './pattern.ts';
import type { Visit } from './visit.ts';

export const addressBookBytes = 1_000_003;
const modified = 'Tue, 01 Sep 2026 04:00:00 GMT';

export async function serveOab({ answer, body, request }: Visit): Promise<void> {
  await body.drain();
  const unmodifiedSince = fieldOf(request, 'if-unmodified-since');
  if (unmodifiedSince !== undefined && Date.parse(unmodifiedSince) < Date.parse(modified)) {
    return answer.send(412, []);
  }
  const fields = [
    ['Content-Type', 'application/octet-stream'],
    ['Accept-Ranges', 'bytes'],
    ['Last-Modified', modified],
    ['ETag', '"5e0f3d7c31dd1:0"']
  ] as const;
  const range = /^bytes=(\d*)-(\d*)$/.exec(fieldOf(request, 'range') ?? '');
  let first = 0;
  let last = addressBookBytes - 1;
  if (range !== null) {
    const [, from = '', to = ''] = range;
    if (from === '') first = Math.max(0, addressBookBytes - Number(to));
    else {
      first = Number(from);
      if (to !== '') last = Math.min(last, Number(to));
    }
    if (first > last) return answer.send(416, [['Content-Range', `bytes */${addressBookBytes}`]]);
  }
  const part = [['Content-Range', `bytes ${first}-${last}/${addressBookBytes}`]] as const;
  const length = last - first + 1;
  await answer.begin(
    range === null ? 200 : 206,
    [...fields, ...(range === null ? [] : part)],
    length
  );
  for (const piece of patternPieces(first, length)) await answer.write(piece);
  await answer.end();
}
