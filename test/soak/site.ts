// Two stand-in servers that can be killed and started again, and the real Ballast before them: one
// service in clear, one with TLS on both sides, each with three SubVSs on the same two servers.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExchangeOptions } from '../../src/lab/exchange.ts';
import { freePorts, startBallast, type Ballast } from '../fixture/ballast.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { endBallast, ownAddress, readStatus } from '../fixture/exchange-site.ts';
import type { FromServer } from './server.ts';

const program = fileURLToPath(new URL('server.ts', import.meta.url));

export class SoakServer {
  readonly #options: ExchangeOptions;
  /** Connections that were two users. */
  readonly shared: string[] = [];
  #child: ChildProcess | undefined;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const child = fork(program, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    const listening = new Promise<void>((resolve, reject) => {
      child.on('exit', (code) => reject(new Error(`a server ended with ${code}`)));
      child.on('message', (message: FromServer) => {
        if (message.type === 'listening') resolve();
        else this.shared.push(`${this.#options.name}: ${message.users.join(' and ')}`);
      });
    });
    child.send(this.#options);
    await listening;
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}

export interface SoakSite {
  readonly ballast: Ballast;
  readonly servers: readonly SoakServer[];
  readonly plain: number;
  readonly secure: number;
  readonly admin: number;
  readonly yaml: string;
  pids(): Promise<number[]>;
  close(): Promise<void>;
}

export async function openSoakSite(workers: number): Promise<SoakSite> {
  const folder = mkdtempSync(join(tmpdir(), 'ballast-soak-'));
  const { cert, key, pem } = await testCertificate('mail.example.com');
  const certificate = join(folder, 'mail.pem');
  writeFileSync(certificate, pem);
  const [plain = 0, secure = 0, admin = 0, http = 0, https = 0] = await freePorts(5);
  const addresses = [ownAddress(100), ownAddress(101)];
  const servers = addresses.map(
    (host, n) =>
      new SoakServer({
        name: `ex0${n + 1}.example.com`,
        http: { host, port: http },
        https: { host, port: https, key, cert }
      })
  );
  await Promise.all(servers.map((server) => server.start()));
  const realServers = (port: number): string =>
    addresses
      .map((address, n) => `{ address: ${address}, port: ${port}, name: EX0${n + 1} }`)
      .join();
  const service = (name: string, port: number, serverPort: number, more: string): string => `
  - name: ${name}
    address: 127.0.0.1
    port: ${port}
    schedule: lc
    checkType: tcp
    ${more}
    realServers: [${realServers(serverPort)}]
    subVSs: [{ name: OWA, rules: [OWA] }, { name: EWS, rules: [EWS] }, { name: rest, rules: [default] }]`;
  const tls = 'sslAcceleration: true, sslReencrypt: true, certificates: [mail]'.replaceAll(
    ', ',
    '\n    '
  );
  const yaml = `
global: { workers: ${workers}, accessLog: false, checkInterval: 2, checkTimeout: 1, checkRetries: 0 }
admin: { port: ${admin} }
certificates: [{ name: mail, file: ${certificate} }]
rules:
  - { name: OWA, pattern: '/^\\/owa/', noCase: true }
  - { name: EWS, pattern: '/^\\/ews/', noCase: true }
virtualServices:${service('plain', plain, http, '')}${service('secure', secure, https, tls)}
`;
  const ballast = await startBallast(yaml);
  return {
    ballast,
    servers,
    plain,
    secure,
    admin,
    yaml,
    pids: async () => (await readStatus(admin)).workers.map(({ pid }) => pid),
    async close() {
      await endBallast(ballast);
      await Promise.all(servers.map((server) => server.kill()));
      rmSync(folder, { recursive: true, force: true });
    }
  };
}
