// Virtual hosts that a service answers to: `mail.example.com`, `*.example.com`.

import { compileWildcard } from './wildcard.ts';

/** Whether a Host value, with or without port, names one of these. None at all: never. */
export function compileHosts(hosts: readonly string[]): (host: string) => boolean {
  const names = new Set<string>();
  const patterns: ((host: string) => boolean)[] = [];
  let all = false;
  for (const host of hosts.map(plainHost)) {
    if (host === '*') all = true;
    else if (host.includes('*')) patterns.push(compileLabels(host));
    else if (host !== '') names.add(host);
  }
  return (value) => {
    if (names.has(value)) return true; // as nearly all come
    const host = plainHost(value);
    if (host === '') return false;
    return all || names.has(host) || patterns.some((test) => test(host));
  };
}

/** Small letters, without port and without the dot of a full name. */
function plainHost(value: string): string {
  const host = value.toLowerCase().replace(/:\d*$/, '');
  return host.endsWith('.') ? host.slice(0, -1) : host;
}

/** `*` stands for a label, or for a part of one: `mail*.example.com`. It never crosses a dot. */
function compileLabels(pattern: string): (host: string) => boolean {
  const tests = pattern.split('.').map(compileWildcard);
  return (host) => {
    const labels = host.split('.');
    if (labels.length !== tests.length) return false;
    return tests.every((test, i) => labels[i] !== '' && test(labels[i] ?? ''));
  };
}
