import { fileURLToPath } from 'node:url';
import type { ProxyKind, Task } from '../proxies.ts';
import { checkPath, directories } from '../workload.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export const ballast: ProxyKind = {
  configuration,
  command: (file) => [process.execPath, main, 'run', '--config', file],
  reloadSignal: 'SIGHUP'
};

function configuration(task: Task, idleSeconds: number): string {
  const { setup, certificate, port, adminPort, serverPort, servers } = task;
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
    idleTime: idleSeconds,
    checkType: setup.tlsBehind ? 'https' : 'http',
    checkPort: serverPort,
    checkUrl: checkPath,
    checkUseGet: 1,
    realServers: servers
  }));
  const whole = {
    global: { workers: setup.workers, accessLog: setup.accessLog },
    admin: { port: adminPort },
    certificates: [{ name: 'bench', file: certificate.chainFile, key: certificate.keyFile }],
    rules,
    virtualServices: [
      {
        name: 'bench',
        address: '127.0.0.1',
        port,
        vsType: 'http',
        idleTime: idleSeconds,
        ...(setup.tlsInFront && { sslAcceleration: true, certificates: ['bench'] }),
        ...(setup.tlsBehind && { sslReencrypt: true }),
        subVSs
      }
    ]
  };
  // JSON is YAML.
  return JSON.stringify(whole, null, 2);
}
