// Fetching and renewing of OCSP responses, with a responder on loopback.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { X509Certificate } from 'node:crypto';
import t, { type Test } from 'tap';
import type { Certificate, Configuration } from '../../src/config/model.ts';
import type { Logger } from '../../src/log.ts';
import type { Staple } from '../../src/messages.ts';
import { OcspStapler, renewAfterMs } from '../../src/primary/ocsp-stapler.ts';
import { serviceTls } from '../fixture/tls-settings.ts';
import { issue, openAuthority } from '../tls/authority.ts';
import { ocspAnswer } from '../tls/ocsp-responder.ts';
import { needsOpenssl, openWorkshop } from '../tls/openssl.ts';
import { configurationOf, virtualService } from './configuration.ts';

t.setTimeout(30_000);

interface Scene {
  readonly stapler: OcspStapler;
  readonly staples: Staple[];
  readonly lines: {
    readonly msg: string;
    readonly reason?: string;
    readonly retrySeconds?: number;
  }[];
  readonly certificate: Certificate;
  /** What the responder does; it gets the request and gives status and body. */
  respond: (request: Buffer) => readonly [status: number, body: Buffer];
  readonly types: (string | undefined)[];
  good(request: Buffer, lifeMs: number): Buffer;
  /** The next staple or log line. */
  next(): Promise<void>;
}

async function open(t: Test): Promise<Scene> {
  const workshop = openWorkshop(t);
  openAuthority(workshop);
  issue(workshop, 'mail', { issuer: 'between' });
  const text = (name: string): string => workshop.read(name).toString();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      scene.types.push(`${request.method} ${request.url} ${request.headers['content-type']}`);
      const [status, body] = scene.respond(Buffer.concat(chunks));
      response.writeHead(status).end(body);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close().closeAllConnections());
  let wake = Promise.withResolvers<void>();
  const told = (): void => {
    wake.resolve();
    wake = Promise.withResolvers();
  };
  const note = (line: object, msg: string): void => {
    scene.lines.push({ ...line, msg });
    told();
  };
  const stapler = new OcspStapler({
    log: { info: note, warn: note } as unknown as Logger,
    onStaple(staple) {
      scene.staples.push(staple);
      told();
    }
  });
  t.teardown(() => stapler.stop());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ocsp`;
  const scene: Scene = {
    stapler,
    staples: [],
    lines: [],
    types: [],
    certificate: {
      name: 'mail',
      chainPem: text('mail.pem') + text('between.pem'),
      keyPem: '',
      dnsNames: [],
      selfSigned: false,
      ocsp: { url, issuerPem: text('between.pem') }
    },
    respond: () => [500, Buffer.alloc(0)],
    good: (request, lifeMs) =>
      ocspAnswer({
        request,
        signerPem: text('between.pem'),
        signerKeyPem: text('between.key'),
        nextUpdateMs: Date.now() + lifeMs
      }),
    next: () => wake.promise
  };
  return scene;
}

function configured(
  certificates: readonly Certificate[],
  names: readonly string[],
  ocspStapling = true
): Configuration {
  const tls = serviceTls({ certificates: names, ocspStapling });
  return { ...configurationOf([virtualService({ name: 'https', tls })]), certificates };
}

t.test('fetched, renewed and taken back', needsOpenssl, async (t) => {
  const scene = await open(t);
  const { stapler, staples, certificate } = scene;
  const { fingerprint256 } = new X509Certificate(certificate.chainPem);
  scene.respond = (request) => [200, scene.good(request, 2500)];
  stapler.reconcile(configured([certificate], ['mail']));
  while (staples.length < 2) await scene.next();
  t.same(
    staples.map(({ fingerprint, response }) => [fingerprint, typeof response]),
    [
      [fingerprint256, 'string'],
      [fingerprint256, 'string']
    ],
    'renewed before its time is over'
  );
  t.equal(scene.types[0], 'POST /ocsp application/ocsp-request');
  t.not(staples[0]?.response, staples[1]?.response);

  stapler.reconcile(configured([{ ...certificate, keyPem: 'other' }], ['mail']));
  t.equal(staples.length, 2, 'the same certificate: nothing changes');

  scene.respond = () => [503, Buffer.alloc(0)];
  while (scene.lines.at(-1)?.msg !== 'no OCSP response') await scene.next();
  t.match(scene.lines.at(-1), { reason: 'the responder answered 503', retrySeconds: 60 });
  t.equal(staples.at(-1)?.response === undefined, false, 'what still holds stays');
  while (staples.at(-1)?.response !== undefined) await scene.next();
  t.pass('and goes when its time is over');
});

t.test('failures', needsOpenssl, async (t) => {
  const scene = await open(t);
  const { stapler, certificate } = scene;
  const failure = async (): Promise<string | undefined> => {
    stapler.reconcile(configured([], []));
    stapler.reconcile(configured([certificate], ['mail']));
    await scene.next();
    return scene.lines.at(-1)?.reason;
  };
  t.equal(await failure(), 'the responder answered 500');
  scene.respond = () => [200, Buffer.alloc(70_000)];
  t.equal(await failure(), 'the answer is too long');
  scene.respond = () => [200, Buffer.from('<html>')];
  t.match(await failure(), /^the answer is no OCSP response/);
  scene.respond = (request) => [200, scene.good(request, -2000)];
  t.equal(await failure(), 'the answer is out of date');
  const nobody = { ...certificate, ocsp: { url: 'http://127.0.0.1:9/', issuerPem: '' } };
  const { length } = scene.lines;
  stapler.reconcile(configured([nobody], ['mail']));
  t.equal(scene.lines.length, length + 1, 'an issuer that cannot be read');
  t.same(
    scene.staples.filter(({ response }) => response !== undefined),
    [],
    'nothing was stapled'
  );
});

t.test('who is asked about', needsOpenssl, async (t) => {
  const scene = await open(t);
  const { stapler, staples, certificate } = scene;
  scene.respond = (request) => [200, scene.good(request, 3_600_000)];
  stapler.reconcile(configured([certificate], ['mail'], false));
  stapler.reconcile(configured([certificate], ['other']));
  stapler.reconcile(configured([{ ...certificate, ocsp: undefined }], ['mail']));
  t.same(staples, [], 'only certificates of services that staple');
  stapler.reconcile(configured([certificate], ['mail']));
  await scene.next();
  t.type(staples.at(-1)?.response, 'string');
  t.equal(scene.types.length, 1);
  stapler.reconcile(configured([certificate], ['mail'], false));
  t.equal(staples.at(-1)?.response, undefined, 'no longer asked for');
});

t.test('when to renew', async (t) => {
  const hourMs = 3_600_000;
  const after = (nextUpdateMs: number | undefined): number =>
    renewAfterMs({ thisUpdateMs: 0, nextUpdateMs }, 10 * hourMs);
  t.equal(after(undefined), hourMs);
  t.equal(after(12 * hourMs), hourMs, 'half-way');
  t.equal(after(1000 * hourMs), 24 * hourMs, 'once a day');
  t.equal(after(10 * hourMs + 1), 1000, 'not in a hurry');
});
