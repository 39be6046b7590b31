// Takes PEM text apart: certificates and private keys in any order, with any text between.

import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';

/** Windows tools write UTF-16 with a byte order mark. */
export function pemText(data: Buffer): string {
  const utf16 = data[0] === 0xff && data[1] === 0xfe;
  return data.toString(utf16 ? 'utf16le' : 'latin1');
}

export function isPem(text: string): boolean {
  return text.includes('-----BEGIN ');
}

export function pemCertificates(text: string): X509Certificate[] {
  return blocksOf(text, /^(X509 |TRUSTED )?CERTIFICATE$/).map(({ block }) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new Error(
        'one of its certificates cannot be read; the file as it came would be right',
        { cause: error }
      );
    }
  });
}

export function pemKeys(text: string, passphrase: string | undefined): KeyObject[] {
  return blocksOf(text, /^([A-Z]+ )*PRIVATE KEY$/).map(({ label, block }) =>
    label === 'ENCRYPTED PRIVATE KEY' || block.includes('Proc-Type: 4,ENCRYPTED')
      ? encryptedKey(block, passphrase)
      : plainKey(block)
  );
}

function encryptedKey(block: string, passphrase: string | undefined): KeyObject {
  if (passphrase === undefined) {
    throw new Error('its private key is encrypted; a passphraseFile would be right');
  }
  try {
    return createPrivateKey({ key: block, passphrase });
  } catch (error) {
    // A wrong passphrase shows as one of many errors: bad padding, or anything that garbage gives.
    throw new Error(
      'the passphrase does not open its private key; the one of its encryption would be right',
      { cause: error }
    );
  }
}

function plainKey(block: string): KeyObject {
  try {
    return createPrivateKey(block);
  } catch (error) {
    throw new Error(
      'its private key cannot be read; an RSA or EC key as PKCS#8, PKCS#1 or SEC1 would be right',
      { cause: error }
    );
  }
}

function blocksOf(text: string, wanted: RegExp): { label: string; block: string }[] {
  return [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[^]*?-----END \1-----/g)]
    .map(([block, label = '']) => ({ label, block }))
    .filter(({ label }) => wanted.test(label));
}
