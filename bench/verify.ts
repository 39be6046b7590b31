// Before a proxy is measured it must give the right answer to each request of the mix.

import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { answerBody, requestHeaders, requestPaths } from './workload.ts';

const settleMs = 15_000;

/** Waits while the proxy still checks its servers (503); any other wrong answer is thrown. */
export async function verifyAnswers(name: string, url: string): Promise<void> {
  const over = performance.now() + settleMs;
  for (const path of requestPaths) {
    let answer = await ask(url, path);
    while (answer.status === 503 && performance.now() < over) {
      await delay(200);
      answer = await ask(url, path);
    }
    if (answer.status !== 200 || answer.body !== answerBody) {
      throw new Error(`${name} answers ${answer.status} to ${path}:\n${answer.body}`);
    }
  }
  const astray = await ask(url, '/elsewhere');
  if (astray.status === 200) throw new Error(`${name} lets a path through that has no rule`);
}

function ask(url: string, path: string): Promise<{ status: number | undefined; body: string }> {
  const options: RequestOptions & { rejectUnauthorized: boolean; servername: string } = {
    headers: requestHeaders,
    agent: false,
    // The certificate was made for this run and signed by nobody.
    rejectUnauthorized: false,
    servername: 'mail.example.com'
  };
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, url), options, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => (body += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, body }));
      answer.on('error', reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}
