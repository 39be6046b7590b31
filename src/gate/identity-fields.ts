// Request fields that tell a server who the user is, or what he asked for before a proxy changed it.
// Behind the gate they must come from us or from nobody (CVE-2025-64484: `_` counts as `-`).

const names = new Set([
  'remote-user',
  'x-remote-user',
  'x-remote-group',
  'x-remote-groups',
  'x-remote-email',
  'x-remote-name',
  'x-user',
  'x-username',
  'x-user-name',
  'x-user-id',
  'x-user-email',
  'x-webauth-user',
  'x-authenticated-user',
  'x-authenticated-userid',
  'x-authenticated-groups',
  'x-original-user',
  'x-proxy-user',
  'x-logon-user',
  'logon-user',
  'auth-user',
  'x-auth-user',
  'x-iisnode-auth-user',
  'x-iisnode-logon-user',
  'x-arr-clientcert',
  'x-client-cert',
  'x-forwarded-client-cert',
  // The path that rules elsewhere go by.
  'x-original-url',
  'x-original-uri',
  'x-rewrite-url',
  // What Exchange's front end tells its back end.
  'x-commonaccesstoken',
  'x-isfromcafe',
  'x-isfrombackend',
  'x-sourcecafeserver',
  'x-rps-cat',
  'x-serialized-security-context',
  'x-serializedsecuritycontext',
  'x-proxytargetserver',
  'x-proxytargetserverversion'
]);

const prefixes = ['msexch', 'x-msexch', 'x-auth-request-', 'x-ms-client-principal', 'x-oidc-'];

/** Of `x-forwarded-...` only where a request came from; who and what are ours to say. */
const forwarded = 'x-forwarded-';
const forwardedKept = new Set(['for', 'proto', 'port', 'host']);

/** Whether a field, its name in lower case, must not pass from a client to a guarded server. */
export function isIdentityField(name: string): boolean {
  const plain = name.includes('_') ? name.replaceAll('_', '-') : name;
  if (names.has(plain)) return true;
  if (plain.startsWith(forwarded)) return !forwardedKept.has(plain.slice(forwarded.length));
  return prefixes.some((prefix) => plain.startsWith(prefix));
}

/** The same of bytes in any case, without a string for nearly all fields of a request. */
export function isIdentityFieldAt(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 4 || !openings.has(openingOf(bytes, start))) return false;
  return isIdentityField(bytes.toString('latin1', start, end).toLowerCase());
}

/** The first four letters of all of them. */
const openings = new Set(
  [...names, ...prefixes, forwarded].map((name) => openingOf(Buffer.from(name), 0))
);

function openingOf(bytes: Buffer, start: number): number {
  let opening = 0;
  for (let i = start; i < start + 4; i++) {
    const byte = bytes[i] ?? 0;
    opening = (opening << 8) | (byte === 0x5f ? 0x2d : byte | 0x20);
  }
  return opening;
}
