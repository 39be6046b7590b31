// OCSP questions and answers: ours against openssl's, and what is not to be stapled.

import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { decodeOid, decodeTime, elements, encode, tag } from '../../src/tls/der.ts';
import { askAbout, judgeAnswer } from '../../src/tls/ocsp.ts';
import { issue, openAuthority, serverExtensions } from './authority.ts';
import { ocspAnswer, type OcspAnswerOptions } from './ocsp-responder.ts';
import { needsOpenssl, openWorkshop, type Workshop } from './openssl.ts';

function withMail(t: Test): Workshop {
  const workshop = openWorkshop(t);
  openAuthority(workshop);
  issue(workshop, 'mail', { issuer: 'between', extensions: serverExtensions('mail.example.com') });
  return workshop;
}

function text(workshop: Workshop, name: string): string {
  return workshop.read(name).toString();
}

t.test('as openssl asks and answers', needsOpenssl, async (t) => {
  const workshop = withMail(t);
  issue(workshop, 'rsa', { kind: 'rsa', issuer: 'root', extensions: ['basicConstraints=CA:TRUE'] });
  issue(workshop, 'signer', { issuer: 'between', extensions: ['extendedKeyUsage=OCSPSigning'] });
  workshop.run('req -newkey rsa:2048 -nodes -keyout leaf.key -subj /CN=leaf -out leaf.csr');
  workshop.run('x509 -req -in leaf.csr -CA rsa.pem -CAkey rsa.key -days 30 -out leaf.pem');
  const cases = [
    { leaf: 'mail', issuer: 'between', signer: 'between' },
    { leaf: 'mail', issuer: 'between', signer: 'signer' },
    { leaf: 'leaf', issuer: 'rsa', signer: 'rsa' }
  ];
  for (const { leaf, issuer, signer } of cases) {
    const question = askAbout(text(workshop, `${leaf}.pem`), text(workshop, `${issuer}.pem`));
    workshop.run(`ocsp -issuer ${issuer}.pem -cert ${leaf}.pem -no_nonce -reqout theirs.der`);
    t.same(question.request, workshop.read('theirs.der'), `${leaf}: the same bytes`);
    writeFileSync(join(workshop.folder, 'ours.der'), question.request);
    const { serialNumber } = new X509Certificate(workshop.read(`${leaf}.pem`));
    for (const [status, line, expected] of [
      ['good', `V\t330101000000Z\t\t${serialNumber}\tunknown\t/CN=x\n`, undefined],
      [
        'revoked',
        `R\t330101000000Z\t250101000000Z\t${serialNumber}\tunknown\t/CN=x\n`,
        'the certificate is revoked'
      ],
      ['unknown', '', 'the responder does not know the certificate']
    ] as const) {
      writeFileSync(join(workshop.folder, 'index.txt'), line);
      workshop.run(
        `ocsp -index index.txt -CA ${issuer}.pem -rsigner ${signer}.pem -rkey ${signer}.key ` +
          '-reqin ours.der -respout answer.der -ndays 2'
      );
      const answer = workshop.read('answer.der');
      const title = `${leaf}, signed by ${signer}: ${status}`;
      if (expected !== undefined) {
        t.throws(() => judgeAnswer(answer, question, Date.now()), { message: expected }, title);
        continue;
      }
      const { thisUpdateMs, nextUpdateMs = 0 } = judgeAnswer(answer, question, Date.now());
      t.equal(nextUpdateMs - thisUpdateMs, 2 * 86_400_000, title);
      const late = nextUpdateMs + 1;
      t.throws(() => judgeAnswer(answer, question, late), { message: /out of date$/ });
      for (let n = 0; n < answer.length; n++) {
        const damaged = Buffer.from(answer);
        damaged.writeUInt8(damaged.readUInt8(n) ^ 0x21, n);
        // The rest of a delegate's certificate and the answer's padding are nobody's business.
        try {
          t.same(judgeAnswer(damaged, question, Date.now()), { thisUpdateMs, nextUpdateMs });
        } catch (error) {
          t.type(error, Error);
        }
      }
      t.throws(() => judgeAnswer(answer.subarray(0, -1), question, Date.now()), /no OCSP response/);
    }
  }
});

t.test('what is not stapled', needsOpenssl, async (t) => {
  const workshop = withMail(t);
  issue(workshop, 'other', { issuer: 'between' });
  issue(workshop, 'signer', { issuer: 'between', extensions: ['extendedKeyUsage=OCSPSigning'] });
  issue(workshop, 'foreign', { issuer: 'root', extensions: ['extendedKeyUsage=OCSPSigning'] });
  const between = text(workshop, 'between.pem');
  const question = askAbout(text(workshop, 'mail.pem'), between);
  const { request } = question;
  const nowMs = Date.now();
  const answer = (signer: string, options: Partial<OcspAnswerOptions> = {}): Buffer =>
    ocspAnswer({
      request,
      signerPem: text(workshop, `${signer}.pem`),
      signerKeyPem: text(workshop, `${signer}.key`),
      ...options
    });
  const delegated = true;
  t.same(judgeAnswer(answer('between'), question, nowMs).nextUpdateMs, undefined, 'without an end');
  t.ok(judgeAnswer(answer('signer', { delegated }), question, nowMs), 'a delegate');
  const unsigned = /not signed by the certificate's issuer or its delegate$/;
  const elsewhere = askAbout(text(workshop, 'other.pem'), between).request;
  const cases: readonly [string, Buffer, RegExp][] = [
    ['another certificate', answer('between', { request: elsewhere }), /another certificate$/],
    ['not its issuer', answer('root'), unsigned],
    ['a delegate that is not shown', answer('signer'), unsigned],
    ['no delegate', answer('other', { delegated }), unsigned],
    ["another authority's delegate", answer('foreign', { delegated }), unsigned],
    ['over', answer('between', { nextUpdateMs: nowMs - 2000 }), /out of date$/],
    ['not begun', answer('between', { thisUpdateMs: nowMs + 600_000 }), /of the future$/],
    ['try later', Buffer.from('30030a0103', 'hex'), /refuses: try later$/],
    ['unauthorized', Buffer.from('30030a0106', 'hex'), /refuses: unauthorized$/],
    ['no words for it', Buffer.from('30030a0109', 'hex'), /refuses: status 9$/],
    ['a page', Buffer.from('<html>'), /no OCSP response/],
    ['nothing', Buffer.alloc(0), /no OCSP response/]
  ];
  for (const [title, bytes, message] of cases) {
    t.throws(() => judgeAnswer(bytes, question, nowMs), { message }, title);
  }
});

t.test('DER', async (t) => {
  for (const length of [0, 127, 128, 255, 256, 65_535]) {
    const content = Buffer.alloc(length, 7);
    const [element] = elements(encode(tag.octetString, content));
    t.ok(element?.content.equals(content), `${length} bytes`);
  }
  t.throws(() => encode(tag.octetString, Buffer.alloc(65_536)), RangeError);
  for (const bytes of ['04', '0402ff', '0480', '048400000001ff', '0483ffffff']) {
    t.throws(() => elements(Buffer.from(bytes, 'hex')), RangeError, bytes);
  }
  t.equal(decodeOid(Buffer.from('2a864886f70d01010b', 'hex')), '1.2.840.113549.1.1.11');
  t.equal(decodeOid(Buffer.from('550f', 'hex')), '2.5.15');
  t.equal(decodeOid(Buffer.from('8837', 'hex')), '2.999');
  t.equal(decodeTime(Buffer.from('20260102030405Z')), Date.UTC(2026, 0, 2, 3, 4, 5));
  t.throws(() => decodeTime(Buffer.from('260102030405Z')), RangeError);
});
