import t from 'tap';
import { findUser } from '../../src/config/user.ts';

const passwd = 'root:x:0:0:root:/root:/bin/bash\nballast:x:998:997::/:/bin/false\nbroken\n';

t.test('who the workers become', async (t) => {
  const ballast = { name: 'ballast', uid: 998, gid: 997 };
  t.same(findUser('ballast', passwd), ballast, 'by name');
  t.same(findUser('998', passwd), ballast, 'by number');
  t.equal(findUser('root', passwd), undefined, 'root is no drop');
  t.equal(findUser('0', passwd), undefined);
  t.equal(findUser('broken', passwd), undefined, 'a line without numbers');
  t.equal(findUser('nobody', passwd), undefined, 'not there');
});
