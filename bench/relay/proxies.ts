// The relays compared, each with the same work: two servers by least connection, checked by
// connecting, one thread or worker, no access log.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Proxy, ProxyName } from '../contest.ts';
import type { Place } from '../place.ts';
import { findProgram, freePort, startProgram, type Program } from '../program.ts';
import { serverAddresses } from '../workload.ts';
import type { RelayServer } from './contest.ts';
import type { RelayScenario } from './scenarios.ts';

interface Task {
  readonly scenario: RelayScenario;
  readonly place: Place;
  readonly port: number;
  readonly servers: readonly string[];
}

const kinds: Readonly<Record<ProxyName, (task: Task) => Promise<Program> | undefined>> = {
  ballast,
  haproxy,
  nginx,
  'net-relay': netRelay
};

/** Undefined where the program is not installed. */
export async function startRelay(
  name: ProxyName,
  scenario: RelayScenario,
  place: Place,
  server: RelayServer
): Promise<Proxy | undefined> {
  const serverPort = scenario.protocol === 'imap' ? server.imapPort : server.smtpPort;
  const servers = serverAddresses.map((address) => `${address}:${serverPort}`);
  const port = await freePort();
  const program = await kinds[name]({ scenario, place, port, servers });
  return program && { name, program, port };
}

async function ballast({ scenario, place, port, servers }: Task): Promise<Program> {
  const { name, tls, protocol } = scenario;
  const configuration = {
    global: { workers: 1, accessLog: false },
    admin: { port: await freePort() },
    certificates: [{ name: 'bench', file: place.chainFile, key: place.keyFile }],
    virtualServices: [
      {
        name: 'bench',
        address: '127.0.0.1',
        port,
        vsType: tls === 'starttls' ? 'tls' : 'gen',
        serverInit: protocol === 'imap' ? 'imap4' : 'smtp',
        ...(tls === 'starttls' && { startTLSMode: protocol }),
        ...(tls !== 'none' && { sslAcceleration: true, certificates: ['bench'] }),
        schedule: 'lc',
        idleTime: 1800,
        checkType: 'tcp',
        realServers: servers
      }
    ]
  };
  // JSON is YAML.
  const file = place.write(`ballast-${name}.yaml`, JSON.stringify(configuration, null, 2));
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const command = [process.execPath, main, 'run', '--config', file] as const;
  return startProgram('ballast', [...command], '127.0.0.1', port);
}

function haproxy({ scenario, place, port, servers }: Task): Promise<Program> | undefined {
  const program = findProgram('haproxy');
  if (program === undefined) return undefined;
  const file = place.write(
    `haproxy-${scenario.name}.cfg`,
    `global
  nbthread 1
  maxconn 8000
  no strict-limits
defaults
  mode tcp
  timeout connect 5s
  timeout client 1800s
  timeout server 1800s
frontend bench
  bind 127.0.0.1:${port} backlog 4096${scenario.tls === 'none' ? '' : ` ssl crt ${place.pemFile}`}
  default_backend servers
backend servers
  balance leastconn
  ${servers.map((server, i) => `server s${i} ${server} check inter 9s`).join('\n  ')}
`
  );
  return startProgram('haproxy', [program, '-db', '-f', file], '127.0.0.1', port);
}

/** A part of nginx that Debian packages apart (libnginx-mod-stream). */
const streamModule = '/usr/lib/nginx/modules/ngx_stream_module.so';

// The free nginx has no active health checks.
function nginx({ scenario, place, port, servers }: Task): Promise<Program> | undefined {
  const program = findProgram('nginx');
  if (program === undefined || !existsSync(streamModule)) return undefined;
  const { name, tls } = scenario;
  const file = place.write(
    `nginx-${name}.conf`,
    `load_module ${streamModule};
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${place.folder}/proxy-${name}.pid;
error_log stderr warn;
events { worker_connections 16000; }
stream {
  proxy_timeout 1800s;
  tcp_nodelay on;
  upstream servers { least_conn; ${servers.map((server) => `server ${server};`).join(' ')} }
  server {
    listen 127.0.0.1:${port}${tls === 'none' ? '' : ' ssl'} backlog=4096;
    ${tls === 'none' ? '' : `ssl_certificate ${place.chainFile}; ssl_certificate_key ${place.keyFile};`}
    ${tls === 'none' ? '' : 'ssl_protocols TLSv1.2 TLSv1.3;'}
    proxy_pass servers;
  }
}
`
  );
  return startProgram('nginx', [program, '-c', file], '127.0.0.1', port);
}

function netRelay({ scenario, place, port, servers }: Task): Promise<Program> {
  const file = fileURLToPath(new URL('../net-relay.ts', import.meta.url));
  const tls = scenario.tls === 'none' ? [] : ['--cert', place.chainFile, '--key', place.keyFile];
  const command = [process.execPath, file, String(port), ...servers, ...tls] as const;
  return startProgram('net-relay', [...command], '127.0.0.1', port);
}
