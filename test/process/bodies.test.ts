// Bodies of 200 MB both ways, by length and in chunks, through both templates: every byte hashed at
// both ends, and workers that stay as small as they were.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import t from 'tap';
import { patternPieces } from '../../src/lab/pattern.ts';
import { startSite, temporaryFolder } from '../fixture/exchange-site.ts';
import { growthMb, markMemory } from '../fixture/memory.ts';
import { missing, run } from '../fixture/programs.ts';

t.setTimeout(100_000);

const needs = missing('curl', 'sha256sum');
const size = 200 * 1024 * 1024;
/** The bound for one worker. */
const growthMaxMb = 30;

const wanted = ((): string => {
  const hash = createHash('sha256');
  for (const piece of patternPieces(0, size)) hash.update(piece);
  return hash.digest('hex');
})();

for (const template of ['Offloaded', 'Reencrypted'] as const) {
  t.test(`${template}: 200 MB each way`, { skip: needs }, async (t) => {
    const site = await startSite(t, { template });
    const file = join(temporaryFolder(t), 'body');
    await pipeline(Readable.from(patternPieces(0, size)), createWriteStream(file));
    const url = `https://127.0.0.1:${site.https}/owa`;
    const curl = ['-sk', '--basic', '-u', 'alice:Ballast-1', '-w', '\n%{http_code}'];
    const pids = (await site.status()).workers.map(({ pid }) => pid);
    const memory = markMemory(pids);

    for (const [how, ...fields] of [['by length'], ['in chunks', 'Transfer-Encoding: chunked']]) {
      const headers = fields.flatMap((field) => ['-H', field]);
      const answer = await run('curl', ...curl, ...headers, '-T', file, `${url}/upload`);
      const [json = '', status] = answer.split('\n');
      t.equal(status, '200', `up ${how}`);
      t.strictSame(JSON.parse(json), { bytes: size, sha256: wanted }, `up ${how}, every byte`);
    }
    for (const [how, query] of [
      ['by length', ''],
      ['in chunks', '&chunked']
    ]) {
      const hash = createHash('sha256');
      const child = spawn('curl', [...curl.slice(0, -2), `${url}/download?bytes=${size}${query}`], {
        stdio: ['ignore', 'pipe', 'inherit']
      });
      for await (const piece of child.stdout) hash.update(piece as Buffer);
      t.equal(hash.digest('hex'), wanted, `down ${how}, every byte`);
    }

    const grown = growthMb(memory);
    t.comment(`the worker that grew most grew by ${grown} MB`);
    t.ok(grown < growthMaxMb, `a worker grew by ${grown} MB at most`);
    t.strictSame(
      (await site.status()).workers.map(({ pid }) => pid),
      pids,
      'no worker died'
    );
  });
}
