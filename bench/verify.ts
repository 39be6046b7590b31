// Before a proxy is measured it must give the right answer to each request of the mix.

import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { answerBody, requestHeaders, requestPaths } from './workload.ts';

const settleMs = 15_000;

interface Answer {
  /** Undefined where there was none; the body says why. */
  readonly status: number | undefined;
  readonly body: string;
}

/** Waits while the proxy starts and checks its servers; any wrong answer after that is thrown. */
export async function verifyAnswers(name: string, url: string): Promise<void> {
  const over = performance.now() + settleMs;
  for (const path of requestPaths) {
    let answer = await ask(url, path);
    while (isStarting(answer) && performance.now() < over) {
      await delay(200);
      answer = await ask(url, path);
    }
    if (answer.status !== 200 || answer.body !== answerBody) {
      throw new Error(`${name} answers ${answer.status ?? 'nothing'} to ${path}:\n${answer.body}`);
    }
  }
  const astray = await ask(url, '/elsewhere');
  if (astray.status === 200) throw new Error(`${name} lets a path through that has no rule`);
}

/**
 * Somebody accepted before, but that may have been a first try of the address: who comes in that
 * moment is cut off (Ballast's `probeListen`).
 */
function isStarting({ status }: Answer): boolean {
  return status === undefined || status === 503;
}

function ask(url: string, path: string): Promise<Answer> {
  const options: RequestOptions & { rejectUnauthorized: boolean; servername: string } = {
    headers: requestHeaders,
    agent: false,
    // The certificate was made for this run and signed by nobody.
    rejectUnauthorized: false,
    servername: 'mail.example.com'
  };
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const fail = (error: Error): void => resolve({ status: undefined, body: error.message });
    const sent = request(new URL(path, url), options, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => (body += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, body }));
      answer.on('error', fail);
    });
    sent.on('error', fail);
    sent.end();
  });
}
