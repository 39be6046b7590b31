// OCSP (RFC 6960): the question about one certificate, and what an answer to it is worth. No I/O:
// the primary fetches, the workers staple.

import { createHash, verify, X509Certificate } from 'node:crypto';
import { contentOf, decodeOid, decodeTime, elements, encode, inside } from './der.ts';
import { single, tag, type Element } from './der.ts';

export interface OcspQuestion {
  /** The request's body. */
  readonly request: Buffer;
  readonly certificateId: CertificateId;
  readonly issuer: X509Certificate;
}

/** RFC 6960 4.1.1, by SHA-1: every responder knows that, and it is a name, no signature. */
interface CertificateId {
  readonly nameHash: Buffer;
  readonly keyHash: Buffer;
  readonly serial: Buffer;
}

/** An answer that may be stapled. */
export interface OcspAnswer {
  readonly thisUpdateMs: number;
  /** Undefined where the responder always has something newer. */
  readonly nextUpdateMs: number | undefined;
}

const oids = {
  sha1: Buffer.from('2b0e03021a', 'hex'),
  basicResponse: '1.3.6.1.5.5.7.48.1.1',
  ocspSigning: '1.3.6.1.5.5.7.3.9'
};

/** Context-specific tags: primitive, and with elements inside. */
const primitive = 0x80;
const constructed = 0xa0;

/** A responder's clock may be ahead of ours. */
const clockSkewMs = 300_000;

export function askAbout(certificatePem: string, issuerPem: string): OcspQuestion {
  const issuer = new X509Certificate(issuerPem);
  const { serial } = partsOf(new X509Certificate(certificatePem));
  const { subject, publicKey } = partsOf(issuer);
  const certificateId = { nameHash: sha1(subject), keyHash: sha1(publicKey), serial };
  const algorithm = encode(tag.sequence, encode(tag.oid, oids.sha1), encode(tag.null));
  const id = encode(
    tag.sequence,
    algorithm,
    encode(tag.octetString, certificateId.nameHash),
    encode(tag.octetString, certificateId.keyHash),
    encode(tag.integer, serial)
  );
  // OCSPRequest, TBSRequest, requestList, Request
  const wrap = (bytes: Buffer): Buffer => encode(tag.sequence, bytes);
  return { request: wrap(wrap(wrap(wrap(id)))), certificateId, issuer };
}

/** Throws an Error with the reason why the answer is not to be stapled. */
export function judgeAnswer(bytes: Buffer, question: OcspQuestion, nowMs: number): OcspAnswer {
  try {
    return readAnswer(bytes, question, nowMs);
  } catch (error) {
    if (error instanceof RangeError) {
      throw new Error(`the answer is no OCSP response: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

const refusals = new Map([
  [1, 'malformed request'],
  [2, 'internal error'],
  [3, 'try later'],
  [5, 'it wants signed requests'],
  [6, 'unauthorized']
]);

function readAnswer(bytes: Buffer, question: OcspQuestion, nowMs: number): OcspAnswer {
  const [status, responseBytes] = inside(single(bytes), tag.sequence);
  const code = contentOf(status, tag.enumerated)[0] ?? -1;
  if (code !== 0) {
    throw new Error(`the responder refuses: ${refusals.get(code) ?? `status ${code}`}`);
  }
  const [type, response] = inside(inside(responseBytes, constructed)[0], tag.sequence);
  if (decodeOid(contentOf(type, tag.oid)) !== oids.basicResponse) {
    throw new Error('the answer is of an unknown type');
  }
  const basic = inside(single(contentOf(response, tag.octetString)), tag.sequence);
  const answer = findAnswer(basic[0], question.certificateId);
  checkSignature(basic, question.issuer, nowMs);
  if (answer.thisUpdateMs > nowMs + clockSkewMs) throw new Error('the answer is of the future');
  if (answer.nextUpdateMs !== undefined && answer.nextUpdateMs <= nowMs) {
    throw new Error('the answer is out of date');
  }
  return answer;
}

function findAnswer(responseData: Element | undefined, id: CertificateId): OcspAnswer {
  const responses = inside(responseData, tag.sequence).find((part) => part.tag === tag.sequence);
  for (const one of elements(responses?.content ?? Buffer.alloc(0))) {
    const [certificateId, status, thisUpdate, nextUpdate] = inside(one, tag.sequence);
    const [, nameHash, keyHash, serial] = inside(certificateId, tag.sequence);
    const same =
      nameHash?.content.equals(id.nameHash) === true &&
      keyHash?.content.equals(id.keyHash) === true &&
      serial?.content.equals(id.serial) === true;
    if (!same) continue;
    if (status?.tag === constructed + 1) throw new Error('the certificate is revoked');
    if (status?.tag !== primitive) throw new Error('the responder does not know the certificate');
    return {
      thisUpdateMs: decodeTime(contentOf(thisUpdate, tag.generalizedTime)),
      nextUpdateMs:
        nextUpdate?.tag === constructed
          ? decodeTime(contentOf(inside(nextUpdate, constructed)[0], tag.generalizedTime))
          : undefined
    };
  }
  throw new Error('the answer is about another certificate');
}

const digests: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', null] // Ed25519
]);

/** It comes over plain HTTP: whoever stands between must not make clients refuse us. */
function checkSignature(
  [data, algorithm, signature, certificates]: readonly Element[],
  issuer: X509Certificate,
  nowMs: number
): void {
  const oid = decodeOid(contentOf(inside(algorithm, tag.sequence)[0], tag.oid));
  const digest = digests.get(oid);
  if (digest === undefined) throw new Error(`the answer is signed by the unknown method ${oid}`);
  const bits = contentOf(signature, tag.bitString).subarray(1);
  const delegates = certificates?.tag === constructed ? inside(certificates, constructed)[0] : null;
  const signers = [
    issuer,
    ...elements(delegates?.content ?? Buffer.alloc(0))
      .map(({ whole }) => new X509Certificate(whole))
      .filter((one) => maySign(one, issuer, nowMs))
  ];
  const signed = data?.whole ?? Buffer.alloc(0);
  if (!signers.some(({ publicKey }) => verifies(digest, signed, publicKey, bits))) {
    throw new Error("the answer is not signed by the certificate's issuer or its delegate");
  }
}

/** RFC 6960 4.2.2.2: issued by the same issuer, for this purpose. */
function maySign(delegate: X509Certificate, issuer: X509Certificate, nowMs: number): boolean {
  return (
    delegate.keyUsage?.includes(oids.ocspSigning) === true &&
    delegate.validFromDate.getTime() <= nowMs &&
    delegate.validToDate.getTime() > nowMs &&
    delegate.checkIssued(issuer) &&
    delegate.verify(issuer.publicKey)
  );
}

function verifies(
  digest: string | null,
  data: Buffer,
  key: X509Certificate['publicKey'],
  signature: Buffer
): boolean {
  try {
    return verify(digest, data, key, signature);
  } catch {
    return false; // a key of another kind
  }
}

/** RFC 5280 4.1: what a CertID is made of, from the certificate's own bytes. */
function partsOf(certificate: X509Certificate): {
  readonly serial: Buffer;
  readonly subject: Buffer;
  readonly publicKey: Buffer;
} {
  const [toBeSigned] = inside(single(certificate.raw), tag.sequence);
  const fields = inside(toBeSigned, tag.sequence);
  if (fields[0]?.tag === constructed) fields.shift(); // version
  const [serial, , , , subject, keyInfo] = fields;
  return {
    serial: contentOf(serial, tag.integer),
    subject: subject?.whole ?? Buffer.alloc(0),
    publicKey: contentOf(inside(keyInfo, tag.sequence)[1], tag.bitString).subarray(1)
  };
}

function sha1(bytes: Buffer): Buffer {
  return createHash('sha1').update(bytes).digest();
}
