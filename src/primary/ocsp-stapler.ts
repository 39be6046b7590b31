// Fetches OCSP responses for the certificates of services that staple, and renews them in time. The
// primary asks once for all workers. A responder that fails costs nobody a connection: clients go on
// with the response that still holds, and then without one.

import { X509Certificate } from 'node:crypto';
import { request as ask } from 'node:http';
import type { Certificate, Configuration } from '../config/model.ts';
import type { Logger } from '../log.ts';
import type { Staple } from '../messages.ts';
import { askAbout, judgeAnswer, type OcspAnswer } from '../tls/ocsp.ts';

const fetchTimeMaxMs = 10_000;
const answerBytesMax = 65_536;
const retryMinMs = 60_000;
const retryMaxMs = 3_600_000;
/** At least once a day, as a LoadMaster, and where the responder names no time once an hour. */
const renewMaxMs = 86_400_000;
const renewUntimedMs = 3_600_000;

export interface OcspStaplerOptions {
  readonly log: Logger;
  readonly onStaple: (staple: Staple) => void;
}

export class OcspStapler {
  readonly #options: OcspStaplerOptions;
  /** By fingerprint of the certificate, address and all that the question is made of. */
  #watches = new Map<string, StapleWatch>();

  constructor(options: OcspStaplerOptions) {
    this.#options = options;
  }

  /** Watches that stay go on as they are, with what they fetched. */
  reconcile(configuration: Configuration): void {
    const before = this.#watches;
    this.#watches = new Map();
    for (const certificate of stapled(configuration)) {
      const key = JSON.stringify([certificate.chainPem, certificate.ocsp]);
      const watch = before.get(key) ?? new StapleWatch(certificate, this.#options);
      before.delete(key);
      this.#watches.set(key, watch);
    }
    for (const watch of before.values()) watch.end();
  }

  stop(): void {
    for (const watch of this.#watches.values()) watch.end();
  }
}

function stapled({ certificates, virtualServices }: Configuration): Certificate[] {
  const names = new Set(
    virtualServices.flatMap(({ enable, tls }) =>
      enable && tls?.ocspStapling === true ? tls.certificates : []
    )
  );
  return certificates.filter(({ name, ocsp }) => ocsp !== undefined && names.has(name));
}

class StapleWatch {
  readonly #fingerprint: string;
  readonly #url: string;
  readonly #certificate: Certificate;
  readonly #options: OcspStaplerOptions;
  readonly #ended = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #failures = 0;

  constructor(certificate: Certificate, options: OcspStaplerOptions) {
    this.#certificate = certificate;
    this.#fingerprint = new X509Certificate(certificate.chainPem).fingerprint256;
    this.#url = certificate.ocsp?.url ?? '';
    this.#options = options;
    void this.#renew();
  }

  end(): void {
    this.#ended.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#expiry);
    this.#tell(undefined);
  }

  async #renew(): Promise<void> {
    const { log } = this.#options;
    let waitMs: number;
    try {
      const { chainPem, ocsp } = this.#certificate;
      const question = askAbout(chainPem, ocsp?.issuerPem ?? '');
      const bytes = await fetchAnswer(this.#url, question.request, this.#ended.signal);
      const answer = judgeAnswer(bytes, question, Date.now());
      this.#failures = 0;
      waitMs = renewAfterMs(answer, Date.now());
      this.#tell(bytes);
      this.#forgetAt(answer.nextUpdateMs);
      log.info(
        {
          certificate: this.#certificate.name,
          url: this.#url,
          renewSeconds: Math.round(waitMs / 1000)
        },
        'OCSP response fetched'
      );
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      waitMs = Math.min(retryMinMs * 2 ** this.#failures++, retryMaxMs);
      const reason = error instanceof Error ? error.message : String(error);
      log.warn(
        {
          certificate: this.#certificate.name,
          url: this.#url,
          reason,
          retrySeconds: waitMs / 1000
        },
        'no OCSP response'
      );
    }
    this.#timer = setTimeout(() => void this.#renew(), waitMs);
  }

  /** A response past its time is worse than none: clients refuse it. */
  #forgetAt(timeMs: number | undefined): void {
    clearTimeout(this.#expiry);
    if (timeMs === undefined) return;
    const leftMs = Math.min(timeMs - Date.now(), 2 ** 31 - 1);
    this.#expiry = setTimeout(() => this.#tell(undefined), leftMs);
  }

  #tell(bytes: Buffer | undefined): void {
    const response = bytes?.toString('base64');
    this.#options.onStaple({ fingerprint: this.#fingerprint, response });
  }
}

/** Half-way to the end, so that a responder may be down for the other half. */
export function renewAfterMs({ nextUpdateMs }: OcspAnswer, nowMs: number): number {
  if (nextUpdateMs === undefined) return renewUntimedMs;
  return Math.max(1000, Math.min((nextUpdateMs - nowMs) / 2, renewMaxMs));
}

/** RFC 6960 A.1: a POST. */
function fetchAnswer(url: string, body: Buffer, ended: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.any([ended, AbortSignal.timeout(fetchTimeMaxMs)]);
    const headers = {
      'Content-Type': 'application/ocsp-request',
      'Content-Length': body.length,
      Accept: 'application/ocsp-response'
    };
    const request = ask(url, { method: 'POST', headers, signal, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      let length = 0;
      answer.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > answerBytesMax) answer.destroy(new Error('the answer is too long'));
      });
      answer.on('error', reject);
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(Buffer.concat(chunks));
        else reject(new Error(`the responder answered ${answer.statusCode}`));
      });
    });
    request.on('error', (error) => {
      const late = signal.aborted && !ended.aborted;
      reject(late ? new Error(`no answer within ${fetchTimeMaxMs / 1000} s`) : error);
    });
    request.end(body);
  });
}
