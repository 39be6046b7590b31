// Virtual hosts that a service answers to: `mail.example.com`, `*.example.com`.

/** Whether a Host value, with or without port, names one of these. None at all: never. */
export function compileHosts(hosts: readonly string[]): (host: string) => boolean {
  const names = new Set<string>();
  const patterns: string[][] = [];
  let all = false;
  for (const host of hosts.map(plainHost)) {
    if (host === '*') all = true;
    else if (host.includes('*')) patterns.push(host.split('.'));
    else if (host !== '') names.add(host);
  }
  return (value) => {
    if (names.has(value)) return true; // as nearly all come
    const host = plainHost(value);
    if (host === '') return false;
    return all || names.has(host) || patterns.some((labels) => fits(host, labels));
  };
}

/** Small letters, without port and without the dot of a full name. */
function plainHost(value: string): string {
  const host = value.toLowerCase().replace(/:\d*$/, '');
  return host.endsWith('.') ? host.slice(0, -1) : host;
}

/** `*` stands for a label, or for a part of one: `mail*.example.com`. It never crosses a dot. */
function fits(host: string, pattern: readonly string[]): boolean {
  const labels = host.split('.');
  return labels.length === pattern.length && labels.every((label, i) => isLike(label, pattern[i]));
}

function isLike(label: string, pattern: string | undefined): boolean {
  if (pattern === undefined || label === '') return false;
  const [head = '', ...rest] = pattern.split(/\*+/);
  const tail = rest.pop();
  if (tail === undefined) return label === pattern;
  if (!label.startsWith(head) || !label.endsWith(tail)) return false;
  let at = head.length;
  for (const part of rest) {
    const found = label.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= label.length - tail.length;
}
