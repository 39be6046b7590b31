// `user:` on a bare host: started by root, listening below 1024, serving as somebody else.

import { readFileSync } from 'node:fs';
import t from 'tap';
import { findUser } from '../../src/config/user.ts';
import { freePorts, startBallast } from '../fixture/ballast.ts';

const nobody = findUser('nobody');
const skip =
  process.getuid?.() !== 0 ? 'needs root' : nobody === undefined ? 'no user nobody' : false;

t.test('workers give up root and still listen below 1024', { skip }, async (t) => {
  const [admin] = await freePorts(1);
  // An address of its own: nobody else listens on port 81 there.
  const yaml = (port: number): string => `
global: { workers: 2, user: nobody }
admin: { port: ${admin} }
virtualServices:
  - { name: low, address: 127.0.0.81, port: ${port}, vsType: http, errorCode: 302, errorUrl: 'https://%h%s' }
`;
  const ballast = await startBallast(yaml(81));
  t.teardown(() => ballast.stop());
  t.equal(await statusOf('http://127.0.0.81:81/owa'), 302, 'port 81 answers');

  const pids = ballast.lines
    .filter((line) => line.msg === 'worker serves')
    .map((line) => Number(line['worker']));
  t.equal(pids.length, 2);
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    t.match(
      status,
      new RegExp(`^Uid:\\s+${nobody?.uid}\\s+${nobody?.uid}`, 'm'),
      'user of a worker'
    );
    t.match(status, new RegExp(`^Gid:\\s+${nobody?.gid}\\s+${nobody?.gid}`, 'm'), 'its group');
    t.match(status, /^Groups:\s*$/m, 'no other groups');
    t.match(status, /^CapEff:\s+0+$/m, 'no capability is left');
  }

  await ballast.reload(yaml(82));
  t.equal(await statusOf('http://127.0.0.81:82/owa'), 302, 'a reload may open another low port');
});

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url, { redirect: 'manual' });
  await response.arrayBuffer();
  return response.status;
}
