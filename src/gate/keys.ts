import { hkdfSync } from 'node:crypto';

/** What the gate key of an installation is used for, each with a key of its own. */
export interface GateKeys {
  readonly seal: Buffer;
  readonly basic: Buffer;
  readonly token: Buffer;
}

/** `gateKey` of the plan: 32 bytes in base64. */
export function gateKeys(gateKey: string): GateKeys {
  const secret = Buffer.from(gateKey, 'base64');
  if (secret.length !== 32) throw new RangeError('the gate key must have 32 bytes');
  const derive = (use: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `ballast gate ${use}`, 32));
  return { seal: derive('seal'), basic: derive('basic'), token: derive('token') };
}
