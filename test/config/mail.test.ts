// Services that relay bytes: how they may be written, and what becomes of it.

import t, { type Test } from 'tap';
import type { VirtualService } from '../../src/config/model.ts';
import { load, serviceOf, type Outcome } from './support.ts';

async function outcome(t: Test, lines: string, head = ''): Promise<Outcome> {
  const service = lines.replaceAll(/^ */gm, '    ').replace('   ', '  -');
  return load(t.testdir({}), `${head}virtualServices:\n${service}\n`);
}

/** The only service of a file with these lines in it. */
async function service(t: Test, lines: string, head = ''): Promise<VirtualService> {
  const { configuration } = await outcome(t, lines, head);
  const [only] = configuration.virtualServices;
  if (only === undefined) throw new Error('no service');
  return only;
}

const usual = {
  startTls: 'no',
  clearLogin: true,
  lineBytesMax: 12_288,
  loginTimeMs: 180_000,
  proxyProtocol: 'none',
  xclient: false
};

t.test("the contract's example of mail, to the letter", async (t) => {
  const loaded = await load(
    t.testdir({}),
    `
virtualServices:
  - name: smtp
    port: 25
    vsType: gen
    serverInit: smtp
    schedule: rr
    persist: src
    persistTimeout: 3600
    idleTime: 120
    checkType: smtp
    realServers: [10.0.0.11, 10.0.0.12]        # the service's own port
`
  );
  t.same(loaded.warnings, []);
  const smtp = serviceOf(loaded, 'smtp');
  t.match(smtp, {
    vsType: 'gen',
    address: '0.0.0.0',
    port: 25,
    extraPorts: [],
    schedule: 'rr',
    idleTimeMs: 120_000,
    persistence: { mode: 'src', timeoutMs: 3_600_000, refresh: false, maskBits: 32 },
    check: { type: 'smtp', port: 0 },
    realServers: [{ id: 'smtp/10.0.0.11:25' }, { id: 'smtp/10.0.0.12:25' }],
    acceptProxyProtocol: false,
    clientConnsLimit: 0
  });
  t.equal(smtp.tls, undefined);
  t.equal(smtp.check.tls, undefined, 'the port decides');
  t.same(smtp.tcp, { ...usual, protocol: 'smtp' });
});

t.test('what is spoken, in the words and numbers of LoadMaster and guide', async (t) => {
  const cases: [lines: string, vsType: string, protocol: string | undefined, startTls?: string][] =
    [
      ['port: 8025', 'http', undefined],
      ['port: 8025\nvsType: gen', 'gen', 'none'],
      ['port: 8025\nVStype: GEN\nServerInit: Imap4', 'gen', 'imap'],
      ['port: 8025\nVSType: gen\nserverinit: imap', 'gen', 'imap'],
      ['port: 8025\nvsType: gen\nServerInit: Pop3', 'gen', 'pop3'],
      ['port: 8025\nvsType: gen\nServerInit: pop', 'gen', 'pop3'],
      ['port: 8025\nvsType: gen\nServerInit: SMTP', 'gen', 'smtp'],
      ['port: 8025\nvsType: gen\nServerInit: Normal', 'gen', 'none'],
      ['port: 8025\nvsType: gen\nServerInit: other', 'gen', 'other'],
      ...['none', 'smtp', 'other', 'other', 'imap', 'other', 'pop3'].map(
        (protocol, n) =>
          [`port: 8025\nvsType: gen\nserverInit: ${n}`, 'gen', protocol] as [string, string, string]
      ),
      ['port: 8025\nvsType: StartTLS\nStartTLSMode: Imap', 'tls', 'imap', 'offered'],
      ['port: 8025\nvsType: tls\nstarttlsmode: 4', 'tls', 'imap', 'offered'],
      ['port: 8025\nvsType: tls\nStartTLSMode: Pop3', 'tls', 'pop3', 'offered'],
      ['port: 8025\nvsType: tls\nStartTLSMode: 6\nserverInit: pop3', 'tls', 'pop3', 'offered'],
      ['port: 8025\nvsType: tls\nStartTLSMode: smtp', 'tls', 'smtp', 'offered'],
      ['port: 8025\nvsType: tls\nStartTLSMode: 1\nserverInit: 0', 'tls', 'smtp', 'offered'],
      ['port: 8025\nvsType: tls\nStartTLSMode: SMTP always', 'tls', 'smtp', 'required'],
      ['port: 8025\nvsType: tls\nStartTLSMode: smtp%20always', 'tls', 'smtp', 'required'],
      ['port: 8025\nvsType: tls\nStartTLSMode: 2', 'tls', 'smtp', 'required']
    ];
  for (const [lines, vsType, protocol, startTls = 'no'] of cases) {
    const tls = vsType === 'tls' ? '\nsslAcceleration: 1' : '';
    const found = await service(t, `${lines}${tls}\nrealServers: []`);
    t.equal(found.vsType, vsType, lines);
    const clearLogin = vsType === 'gen';
    const tcp = protocol === undefined ? undefined : { ...usual, protocol, startTls, clearLogin };
    t.same(found.tcp, tcp, lines);
  }
});

t.test('mail on its own ports is of type gen, unless said otherwise', async (t) => {
  for (const port of [25, 110, 143, 465, 587, 993, 995]) {
    t.equal((await service(t, `port: ${port}\nrealServers: []`)).vsType, 'gen');
    t.equal((await service(t, `port: ${port}\nvsType: http\nrealServers: []`)).vsType, 'http');
  }
});

t.test('settings of mail and of connections', async (t) => {
  const tls = await service(
    t,
    `port: 25
     nickname: Exchange%20SMTP%20STARTTLS
     vsType: tls
     startTLSMode: smtp
     sslAcceleration: 1
     clearLogin: yes
     lineLimit: 1000
     loginTime: 86400
     proxyProtocol: V2
     clientConnsLimit: 20
     ExtraPorts: 9000-9002,2525 26
     checkType: Imap4
     checkTls: 1
     realServers: [10.0.0.1]`
  );
  t.match(tls, {
    name: 'Exchange SMTP STARTTLS',
    tcp: {
      clearLogin: true,
      lineBytesMax: 1000,
      loginTimeMs: 86_400_000,
      proxyProtocol: 'v2',
      xclient: false
    },
    clientConnsLimit: 20,
    check: { type: 'imap', tls: true },
    realServers: [{ port: 25 }],
    tls: { certificates: ['self-signed'] }
  });
  t.same(tls.extraPorts, [9000, 9001, 9002, 2525, 26]);
  const gen = await service(
    t,
    `port: 25
     serverInit: smtp
     xclient: true
     lineLimit: 2000
     loginTime: 5
     acceptProxyProtocol: Y
     extraPorts: [587, 9000-9001]
     checkType: pop
     checkTLS: no
     persist: none
     realServers: [10.0.0.1]`,
    'global: { trustedProxies: [192.0.2.0/24] }\n'
  );
  t.match(gen, {
    tcp: { xclient: true, lineBytesMax: 2000, loginTimeMs: 5000, clearLogin: true },
    acceptProxyProtocol: true,
    check: { type: 'pop3', tls: false }
  });
  t.same(gen.extraPorts, [587, 9000, 9001]);
  const web = await service(t, 'port: 80\nextraPorts: 81\nclientConnsLimit: 5\nrealServers: []');
  t.match(web, { vsType: 'http', extraPorts: [81], clientConnsLimit: 5 }, 'HTTP has these too');
});

t.test('a client that waits for a greeting that nobody fetches is told of', async (t) => {
  const warned = async (lines: string) => (await outcome(t, `${lines}\nrealServers: []`)).warnings;
  for (const port of [25, 110, 143, 587]) {
    t.match(await warned(`port: ${port}`), [/: a server is dialled when the client .*serverInit/]);
  }
  t.equal(
    (await warned('port: 993\nsslAcceleration: true')).length,
    2,
    'in TLS that ends here too'
  );
  t.same(await warned('port: 993'), [], 'TLS begins with the client');
  t.same(await warned('port: 25\nserverInit: smtp'), []);
  t.same(await warned('port: 2222\nvsType: gen'), [], 'who knows what is spoken there');
});
