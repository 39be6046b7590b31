import { nginxFile } from '../nginx-file.ts';
import { findProgram } from '../program.ts';
import type { ProxyKind, Task } from '../proxies.ts';
import { directories } from '../workload.ts';

// The free nginx has no active health checks; it is spared eighteen small requests in 9 s.
export const nginx: ProxyKind = {
  configuration,
  command: (file) => {
    const program = findProgram('nginx');
    return program === undefined ? undefined : [program, '-c', file];
  },
  reloadSignal: 'SIGHUP'
};

function configuration(task: Task, idleSeconds: number): string {
  const { setup, place, certificate, port, servers, logFile } = task;
  const keeps = setup.sharesServerConnections;
  const upstreams = directories.map(
    ({ name }) =>
      `upstream ${name} { least_conn; ${servers.map((s) => `server ${s};`).join(' ')}` +
      `${keeps ? ' keepalive 64;' : ''} }`
  );
  const protocol = setup.tlsBehind ? 'https' : 'http';
  const locations = directories.map(
    ({ name, prefix }) => `location ~* ^${prefix} { proxy_pass ${protocol}://${name}; }`
  );
  const listen = `${setup.tlsInFront ? ' ssl' : ''}${setup.workers > 1 ? ' reuseport' : ''}`;
  return nginxFile(
    place,
    `proxy-${port}`,
    // Bodies pass through without a detour over the disk, as through the others.
    `ssl_certificate ${certificate.chainFile};
  ssl_certificate_key ${certificate.keyFile};
  ssl_protocols TLSv1.2 TLSv1.3;
  proxy_http_version 1.1;
  proxy_read_timeout ${idleSeconds}s;
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
  proxy_set_header Connection ${keeps ? "''" : 'close'};
  proxy_set_header Host $http_host;
  ${upstreams.join('\n  ')}
  server {
    listen 127.0.0.1:${port} backlog=4096${listen};
    ${locations.join('\n    ')}
  }`,
    { workers: setup.workers, logFile }
  );
}
