// OCSP answers of our own making, for what openssl's responder does not do: any time, any signer.

import { createHash, sign, X509Certificate } from 'node:crypto';
import { encode, inside, single, tag } from '../../src/tls/der.ts';

export interface OcspAnswerOptions {
  /** The request that is answered. */
  readonly request: Buffer;
  readonly signerPem: string;
  readonly signerKeyPem: string;
  readonly status?: 'good' | 'revoked' | 'unknown';
  readonly thisUpdateMs?: number;
  readonly nextUpdateMs?: number | undefined;
  /** Sends the signer's certificate along. */
  readonly delegated?: boolean;
}

const oid = {
  basicResponse: Buffer.from('2b0601050507300101', 'hex'),
  ecdsaSha256: Buffer.from('2a8648ce3d040302', 'hex')
};

export function ocspAnswer(options: OcspAnswerOptions): Buffer {
  const { request, signerPem, signerKeyPem, status = 'good', nextUpdateMs } = options;
  const [list] = inside(inside(single(request), tag.sequence)[0], tag.sequence);
  const certificateId = inside(inside(list, tag.sequence)[0], tag.sequence)[0];
  const thisUpdate = time(options.thisUpdateMs ?? Date.now() - 1000);
  const statuses = {
    good: encode(0x80),
    revoked: encode(0xa1, thisUpdate),
    unknown: encode(0x82)
  };
  const one = encode(
    tag.sequence,
    certificateId?.whole ?? Buffer.alloc(0),
    statuses[status],
    thisUpdate,
    nextUpdateMs === undefined ? Buffer.alloc(0) : encode(0xa0, time(nextUpdateMs))
  );
  const signer = new X509Certificate(signerPem);
  const responder = encode(
    0xa2,
    encode(tag.octetString, createHash('sha1').update(signer.raw).digest())
  );
  const data = encode(tag.sequence, responder, thisUpdate, encode(tag.sequence, one));
  const signature = sign('sha256', data, signerKeyPem);
  const basic = encode(
    tag.sequence,
    data,
    encode(tag.sequence, encode(tag.oid, oid.ecdsaSha256)),
    encode(tag.bitString, Buffer.from([0]), signature),
    options.delegated === true ? encode(0xa0, encode(tag.sequence, signer.raw)) : Buffer.alloc(0)
  );
  const typed = encode(
    tag.sequence,
    encode(tag.oid, oid.basicResponse),
    encode(tag.octetString, basic)
  );
  return encode(tag.sequence, encode(tag.enumerated, Buffer.from([0])), encode(0xa0, typed));
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return encode(tag.generalizedTime, Buffer.from(text));
}
