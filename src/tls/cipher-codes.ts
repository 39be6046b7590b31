// The numbers of the cipher suites of TLS 1.2 and older (IANA) that our cipher sets hold, by OpenSSL's
// names, to see in a client's hello which of them it has.

const codes: ReadonlyMap<string, number> = new Map([
  ['ECDHE-ECDSA-AES256-GCM-SHA384', 0xc02c],
  ['ECDHE-ECDSA-AES128-GCM-SHA256', 0xc02b],
  ['ECDHE-ECDSA-CHACHA20-POLY1305', 0xcca9],
  ['ECDHE-ECDSA-AES256-SHA384', 0xc024],
  ['ECDHE-ECDSA-AES128-SHA256', 0xc023],
  ['ECDHE-ECDSA-AES256-SHA', 0xc00a],
  ['ECDHE-ECDSA-AES128-SHA', 0xc009],
  ['ECDHE-RSA-AES256-GCM-SHA384', 0xc030],
  ['ECDHE-RSA-AES128-GCM-SHA256', 0xc02f],
  ['ECDHE-RSA-CHACHA20-POLY1305', 0xcca8],
  ['ECDHE-RSA-AES256-SHA384', 0xc028],
  ['ECDHE-RSA-AES128-SHA256', 0xc027],
  ['ECDHE-RSA-AES256-SHA', 0xc014],
  ['ECDHE-RSA-AES128-SHA', 0xc013],
  ['DHE-RSA-AES256-GCM-SHA384', 0x009f],
  ['DHE-RSA-AES128-GCM-SHA256', 0x009e],
  ['DHE-RSA-CHACHA20-POLY1305', 0xccaa],
  ['DHE-RSA-AES256-SHA256', 0x006b],
  ['DHE-RSA-AES128-SHA256', 0x0067],
  ['DHE-RSA-AES256-SHA', 0x0039],
  ['DHE-RSA-AES128-SHA', 0x0033],
  ['AES256-GCM-SHA384', 0x009d],
  ['AES128-GCM-SHA256', 0x009c],
  ['AES256-SHA256', 0x003d],
  ['AES128-SHA256', 0x003c],
  ['AES256-SHA', 0x0035],
  ['AES128-SHA', 0x002f]
]);

export interface CipherCode {
  readonly code: number;
  readonly kind: 'rsa' | 'ecdsa';
}

/** In the order of the names; those of TLS 1.3, and rarities of an operator's own list, are left out. */
export function cipherCodes(names: readonly string[]): CipherCode[] {
  return names.flatMap((each) => {
    const name = each.toUpperCase();
    const code = codes.get(name);
    return code === undefined ? [] : [{ code, kind: name.includes('-ECDSA-') ? 'ecdsa' : 'rsa' }];
  });
}
