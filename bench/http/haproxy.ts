import type { ProxyKind, Task } from '../proxies.ts';
import { findProgram } from '../program.ts';
import { checkPath, directories } from '../workload.ts';

export const haproxy: ProxyKind = {
  configuration,
  command: (file, { reloads }) => {
    const program = findProgram('haproxy');
    // A master takes the signal to reload and starts workers with -sf, as Debian's service does.
    return program === undefined ? undefined : [program, reloads ? '-W' : '-db', '-f', file];
  },
  reloadSignal: 'SIGUSR2'
};

// A connection without a request ends without an answer, as with the others: http-ignore-probes.
function configuration(task: Task, idleSeconds: number): string {
  const { setup, certificate, port, servers } = task;
  const tls = setup.tlsBehind ? ' ssl verify none' : '';
  const backends = directories.map(
    ({ name }) => `backend ${name}
  balance leastconn
  ${setup.sharesServerConnections ? '' : 'http-reuse never'}
  option httpchk GET ${checkPath}
  ${servers.map((server, i) => `server s${i} ${server} check inter 9s${tls}`).join('\n  ')}
`
  );
  return `global
  nbthread ${setup.workers}
  maxconn 8000
  no strict-limits
  ${setup.accessLog ? 'log stdout format raw local0' : ''}
defaults
  mode http
  option http-ignore-probes
  timeout connect 5s
  timeout client ${idleSeconds}s
  timeout server ${idleSeconds}s
  ${setup.accessLog ? 'log global\n  option httplog' : ''}
frontend bench
  bind 127.0.0.1:${port} backlog 4096${setup.tlsInFront ? ` ssl crt ${certificate.pemFile}` : ''}
  ${directories.map((d) => `use_backend ${d.name} if { path_beg -i ${d.prefix} }`).join('\n  ')}
${backends.join('')}`;
}
