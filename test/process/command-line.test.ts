import { join } from 'node:path';
import t from 'tap';
import { startProgram } from './program.ts';

const run = (...args: string[]) => startProgram(...args).ended;

t.test('usage', async (t) => {
  const wrong = [
    [],
    ['walk'],
    ['run'],
    ['check'],
    ['check', 'ballast.yaml'],
    ['run', '--config'],
    ['run', '--file', 'x'],
    ['lab', 'now'],
    ['templates', '--config', 'x'],
    ['run', '--config', 'x', '--admin', '127.0.0.1:1'],
    ['sessions'],
    ['sessions', 'show'],
    ['sessions', 'kill'],
    ['sessions', 'unlock', ''],
    ['sessions', 'list', 'alice'],
    ['sessions', 'kill', 'alice', 'bob'],
    ['sessions', 'list', '--config', 'x', '--admin', '127.0.0.1:1'],
    ['sessions', 'list', '--admin', 'mail.example.com:http']
  ];
  for (const [index, ending] of (await Promise.all(wrong.map((args) => run(...args)))).entries()) {
    const what = `"${wrong[index]?.join(' ')}"`;
    t.equal(ending.code, 2, `exit code of ${what}`);
    t.equal(ending.stdout, '', what);
    t.match(ending.stderr, /^ballast: .+\nusage: ballast run --config FILE /s, what);
  }
  t.match(await run('--help'), { code: 0, stdout: /^usage: /, stderr: '' });
  t.match(await run('--version'), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/, stderr: '' });
});

t.test('check', async (t) => {
  const folder = t.testdir({
    'good.yaml': 'virtualServices:\n  - { name: web, port: 8080, realServers: [10.0.0.11] }\n',
    'bad.yaml': 'virtualServices:\n  - { name: web, port: 8080, schedul: rr }\n'
  });
  t.strictSame(await run('check', '--config', join(folder, 'good.yaml')), {
    code: 0,
    stdout: 'ok\n',
    stderr: ''
  });
  const bad = join(folder, 'bad.yaml');
  const refused = await run('check', '--config', bad);
  t.match(refused, { code: 1, stderr: '' });
  t.ok(refused.stdout.startsWith(`${bad}:2:`), refused.stdout);
  t.match(refused.stdout, /schedul.*schedule/);
  t.match(await run('check', '--config', join(folder, 'none.yaml')), { code: 1, stdout: /none/ });
});

t.test('templates', async (t) => {
  const list = await run('templates');
  t.match(list, { code: 0, stderr: '' });
  t.ok(list.stdout.split('\n').includes('Exchange 2016 HTTPS Reencrypted'));
  const one = await run('templates', 'exchange', '2016', 'HTTPS', 'offloaded');
  t.match(one, { code: 0, stdout: /virtualServices:/, stderr: '' });
  t.match(await run('templates', 'Exchange 2003'), {
    code: 2,
    stdout: '',
    stderr: /Exchange 2003/
  });
});

t.test('sessions, where nothing can be had', async (t) => {
  const folder = t.testdir({ 'bad.yaml': 'admin: { port: none }\n' });
  const bad = await run('sessions', 'list', '--config', join(folder, 'bad.yaml'));
  t.match(bad, { code: 1, stdout: '', stderr: /bad\.yaml:1:\d+ admin\.port/ });
  const nobody = await run('sessions', 'kill', 'alice', '--admin', '127.0.0.1:1');
  t.match(nobody, { code: 1, stdout: '', stderr: 'ballast: http://127.0.0.1:1: ' });
  t.match(nobody.stderr, /ECONNREFUSED/);
});
