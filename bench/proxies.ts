// The HTTP proxies compared, each configured for the same work: nine rules, least connection, health
// checks where it has them, keep-alive on both sides, one thread, no access log.

import { fileURLToPath } from 'node:url';
import type { Backend } from './backend.ts';
import type { Proxy, ProxyName } from './contest.ts';
import { nginxFile } from './nginx-file.ts';
import type { Place } from './place.ts';
import { findProgram, freePort, startProgram, type Program } from './program.ts';
import { checkPath, directories, serverAddresses, type HttpScenario } from './workload.ts';

interface Task {
  readonly scenario: HttpScenario;
  readonly place: Place;
  readonly port: number;
  readonly serverPort: number;
  readonly servers: readonly string[];
}

const kinds: Readonly<Record<ProxyName, (task: Task) => Promise<Program> | undefined>> = {
  ballast,
  haproxy,
  nginx,
  'net-relay': () => undefined
};

/** Undefined where the program is not installed. */
export async function startProxy(
  name: ProxyName,
  scenario: HttpScenario,
  place: Place,
  backend: Backend
): Promise<Proxy | undefined> {
  const serverPort = scenario.tlsBehind ? backend.tlsPort : backend.plainPort;
  const servers = serverAddresses.map((address) => `${address}:${serverPort}`);
  const port = await freePort();
  const program = await kinds[name]({ scenario, place, port, serverPort, servers });
  return program && { name, program, port };
}

async function ballast({ scenario, place, port, serverPort, servers }: Task): Promise<Program> {
  const rules = directories.map(({ name, prefix }) => ({
    name,
    matchType: 'regex',
    pattern: `/^${prefix.replaceAll('/', '\\/')}.*/`,
    noCase: true
  }));
  const subVSs = directories.map(({ name }) => ({
    name,
    rules: [name],
    schedule: 'lc',
    checkType: scenario.tlsBehind ? 'https' : 'http',
    checkPort: serverPort,
    checkUrl: checkPath,
    checkUseGet: 1,
    realServers: servers
  }));
  const configuration = {
    global: { workers: 1, accessLog: false },
    admin: { port: await freePort() },
    certificates: [{ name: 'bench', file: place.chainFile, key: place.keyFile }],
    rules,
    virtualServices: [
      {
        name: 'bench',
        address: '127.0.0.1',
        port,
        vsType: 'http',
        ...(scenario.tlsInFront && { sslAcceleration: true, certificates: ['bench'] }),
        ...(scenario.tlsBehind && { sslReencrypt: true }),
        subVSs
      }
    ]
  };
  // JSON is YAML.
  const file = place.write(`ballast-${scenario.name}.yaml`, JSON.stringify(configuration, null, 2));
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  const command = [process.execPath, main, 'run', '--config', file] as const;
  return startProgram('ballast', [...command], '127.0.0.1', port);
}

function haproxy({ scenario, place, port, servers }: Task): Promise<Program> | undefined {
  const program = findProgram('haproxy');
  if (program === undefined) return undefined;
  const tls = scenario.tlsBehind ? ' ssl verify none' : '';
  const backends = directories.map(
    ({ name }) => `backend ${name}
  balance leastconn
  option httpchk GET ${checkPath}
  ${servers.map((server, i) => `server s${i} ${server} check inter 9s${tls}`).join('\n  ')}
`
  );
  const file = place.write(
    `haproxy-${scenario.name}.cfg`,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 1800s
  timeout server 1800s
frontend bench
  bind 127.0.0.1:${port}${scenario.tlsInFront ? ` ssl crt ${place.pemFile}` : ''}
  ${directories.map((d) => `use_backend ${d.name} if { path_beg -i ${d.prefix} }`).join('\n  ')}
${backends.join('')}`
  );
  return startProgram('haproxy', [program, '-db', '-f', file], '127.0.0.1', port);
}

// The free nginx has no active health checks; it is spared eighteen small requests in 9 s.
function nginx({ scenario, place, port, servers }: Task): Promise<Program> | undefined {
  const program = findProgram('nginx');
  if (program === undefined) return undefined;
  const upstreams = directories.map(
    ({ name }) =>
      `upstream ${name} { least_conn; ${servers.map((s) => `server ${s};`).join(' ')} keepalive 64; }`
  );
  const protocol = scenario.tlsBehind ? 'https' : 'http';
  const locations = directories.map(
    ({ name, prefix }) => `location ~* ^${prefix} { proxy_pass ${protocol}://${name}; }`
  );
  const file = place.write(
    `nginx-${scenario.name}.conf`,
    nginxFile(
      place,
      `proxy-${scenario.name}`,
      `ssl_certificate ${place.chainFile};
  ssl_certificate_key ${place.keyFile};
  proxy_http_version 1.1;
  proxy_set_header Connection '';
  proxy_set_header Host $http_host;
  ${upstreams.join('\n  ')}
  server {
    listen 127.0.0.1:${port}${scenario.tlsInFront ? ' ssl' : ''};
    ${locations.join('\n    ')}
  }`
    )
  );
  return startProgram('nginx', [program, '-c', file], '127.0.0.1', port);
}
